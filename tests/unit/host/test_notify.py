# SPDX-License-Identifier: Apache-2.0
"""What a service manager hears."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.notify import Notifier


class FakeManager:
    """Listens on $NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(10)

    def heard(self) -> list[str]:
        return self._socket.recv(4096).decode("utf-8").split("\n")

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeManager]:
    monkeypatch.chdir(tmp_path)
    manager = FakeManager("notify")
    monkeypatch.setenv("NOTIFY_SOCKET", "notify")
    yield manager
    manager.close()


def test_each_step_of_a_life_is_told(manager: FakeManager) -> None:
    with closing(Notifier()) as notifier:
        notifier.ready()
        notifier.watchdog()
        notifier.extend_timeout(timedelta(seconds=15))
        notifier.stopping()

    heard = [manager.heard() for _ in range(4)]
    assert heard == [
        ["READY=1"],
        ["WATCHDOG=1"],
        ["EXTEND_TIMEOUT_USEC=15000000"],
        ["STOPPING=1"],
    ]


def test_a_reload_tells_when_it_began(manager: FakeManager) -> None:
    """systemd ignores a RELOADING without its time (sd_notify(3))."""
    with closing(Notifier()) as notifier:
        notifier.reloading()

    begun, at = manager.heard()

    assert begun == "RELOADING=1"
    assert int(at.removeprefix("MONOTONIC_USEC=")) > 0


def test_a_status_in_any_script_is_told(manager: FakeManager) -> None:
    """sdnotify drops what is not latin-1 without a word."""
    with closing(Notifier()) as notifier:
        notifier.status(
            "3 queued \N{EM DASH} na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve\nX=1"
        )

    assert manager.heard() == ["STATUS=3 queued ? na?ve X=1"]


def test_an_abstract_socket_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"maildropd-test-{os.getpid()}"
    manager = FakeManager(f"\0{name}")
    monkeypatch.setenv("NOTIFY_SOCKET", f"@{name}")

    with closing(Notifier()) as notifier:
        notifier.ready()

    assert manager.heard() == ["READY=1"]
    manager.close()


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notifier = Notifier()

    notifier.ready()
    notifier.status("all is well")

    assert notifier.watchdog_interval is None


def test_a_manager_that_is_gone_does_no_harm(manager: FakeManager) -> None:
    with closing(Notifier()) as notifier:
        manager.close()

        notifier.ready()


@pytest.mark.usefixtures("manager")
def test_children_do_not_inherit_the_socket_or_the_watchdog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "60000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))

    with closing(Notifier()) as notifier:
        assert notifier.watchdog_interval == timedelta(seconds=60)
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(os.environ)


@pytest.mark.parametrize(
    ("interval", "pid"),
    [("60000000", "1"), ("0", ""), ("soon", ""), ("", "")],
)
def test_a_watchdog_of_somebody_else_is_not_fed(
    interval: str, pid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", interval)
    monkeypatch.setenv("WATCHDOG_PID", pid)

    assert Notifier().watchdog_interval is None


@pytest.mark.parametrize("said", ["", "soon", "-5", "0", "1e6", "9" * 30, "9" * 5000])
def test_a_watchdog_that_makes_no_sense_is_none(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """A number that was too large ended the daemon at its start."""
    monkeypatch.setenv("WATCHDOG_USEC", said)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    assert Notifier().watchdog_interval is None


def test_a_watchdog_of_a_microsecond_leaves_time_for_mail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    assert Notifier().watchdog_interval == timedelta(milliseconds=100)
