# SPDX-License-Identifier: Apache-2.0
"""Where everything lies when nobody says."""

from pathlib import Path

import pytest

from maildropd.config.layout import Layout


def test_the_hosts_own_daemon_has_the_places_of_the_package() -> None:
    assert Layout.of_host() == Layout(
        config=Path("/etc/maildrop/maildropd.conf"),
        state=Path("/var/lib/maildropd"),
        runtime=Path("/run/maildropd"),
        sockets=Path("/run/maildrop"),
        drop=Path("/var/spool/maildrop/drop"),
        quarantine=Path("/var/spool/maildrop/quarantine"),
    )


def test_an_instance_shares_no_place_with_it() -> None:
    own, instance = Layout.of_host(), Layout.of_host("zope")

    for place in ("config", "state", "runtime", "sockets", "drop", "quarantine"):
        assert getattr(own, place) != getattr(instance, place)
        assert not getattr(instance, place).is_relative_to(getattr(own, place))


def test_a_folder_holds_everything(tmp_path: Path) -> None:
    layout = Layout.of_path(tmp_path)

    assert layout.config == tmp_path / "maildropd.conf"
    assert layout == Layout.of_path(tmp_path / "maildropd.conf")
    assert {layout.state, layout.runtime, layout.drop, layout.quarantine} == {
        tmp_path / "state",
        tmp_path / "run",
        tmp_path / "drop",
        tmp_path / "quarantine",
    }


@pytest.mark.parametrize("instance", ["", "zope"])
def test_a_file_of_the_host_means_the_hosts_daemon(instance: str) -> None:
    host = Layout.of_host(instance)

    assert Layout.of_path(host.config) == host
