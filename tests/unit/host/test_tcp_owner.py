# SPDX-License-Identifier: Apache-2.0
"""Whose socket is at the other end: of real connections on loopback."""

import os
import socket
from pathlib import Path

import pytest

from maildropd.host import tcp_owner


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_owner_of_a_connection_is_in_the_kernels_table(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listener = socket.create_server((address, 0), family=family)
    except OSError:
        pytest.skip(f"no {address} on this host")
    with listener, socket.socket(family) as client:
        client.connect(listener.getsockname()[:2])
        connection, _ = listener.accept()
        with connection:
            peer, own = tcp_owner.ends(connection)

            assert tcp_owner.owner(peer, own) == os.geteuid()


def test_who_has_closed_his_socket_is_nobody() -> None:
    """The table then shows root, and a rule for root would hold for anybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        connection, _ = listener.accept()
        with connection:
            ends = tcp_owner.ends(connection)
            client.close()
            assert connection.recv(1) == b""

            assert tcp_owner.owner(*ends) is None


def test_a_connection_that_is_not_there_has_no_owner() -> None:
    assert tcp_owner.owner(("127.0.0.1", 1), ("127.0.0.1", 2)) is None


@pytest.mark.parametrize("client", [("x", 1), ("127.0.0.1", 0), ("127.0.0.1", 70000)])
def test_nonsense_has_no_owner(client: tuple[str, int]) -> None:
    assert tcp_owner.owner(client, ("127.0.0.1", 25)) is None


def test_without_a_table_nobody_is_known(tmp_path: Path) -> None:
    ends = ("127.0.0.1", 1), ("127.0.0.1", 2)

    assert tcp_owner.owner(*ends, tables=tmp_path) is None


@pytest.mark.parametrize(
    ("address", "known"),
    [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False), ("x", False)],
)
def test_only_loopback_is_of_this_host_alone(address: str, *, known: bool) -> None:
    assert tcp_owner.is_loopback(address) is known
