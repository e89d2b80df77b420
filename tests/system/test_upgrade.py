# SPDX-License-Identifier: Apache-2.0
"""A new version comes in while mail does: nothing is lost, nothing comes twice."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import install
from tests.system.host import Host
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import copies, mails
from tests.system.postfix import Postfix


@pytest.fixture
def newer(deb: Path, the_host: Host, tmp_path: Path) -> Iterator[Path]:
    """The same package under a higher version; afterwards the old one is back."""
    tree, package = tmp_path / "tree", tmp_path / "maildropd_99.0_all.deb"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    lines = control.read_text().splitlines(keepends=True)
    control.write_text(
        "".join("Version: 99.0\n" if "Version:" in line else line for line in lines)
    )
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, package], check=True)
    yield package
    install(the_host.machine, deb)
    the_host.reset()


def test_an_upgrade_under_load_loses_and_doubles_nothing(
    newer: Path, host: Host, smarthost: Postfix
) -> None:
    numbers = range(600)
    host.configure(wait_interval="10ms")
    host.start()
    before = host.main_pid()

    with host.dropping(numbers):
        until(lambda: smarthost.count() >= 30)
        install(host.machine, newer)
    assert host.main_pid() not in (0, before)
    assert host.machine.is_active("maildropd.path")

    until(lambda: smarthost.count() >= copies(numbers), within=60)
    until(lambda: not host.queue())
    assert judge(mails(numbers), smarthost.mails()) == Verdict()
    assert host.machine.run("dpkg-query", "-f${Version}", "-W", "maildropd") == "99.0"
