# SPDX-License-Identifier: Apache-2.0
"""A new version comes in while mail does: nothing is lost, nothing comes twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Debs, install
from tests.system.host import Host
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import copies, mails
from tests.system.newer import VERSION, repacked
from tests.system.postfix import Postfix


@pytest.fixture
def newer(debs: Debs, the_host: Host, tmp_path: Path) -> Iterator[Debs]:
    """The packages under a higher version; afterwards the old ones are back."""
    yield repacked(debs, tmp_path)
    install(the_host.machine, *debs)
    the_host.reset()


def test_an_upgrade_under_load_loses_and_doubles_nothing(
    newer: Debs, host: Host, smarthost: Postfix
) -> None:
    numbers = range(600)
    host.configure(wait_interval="10ms")
    host.start()
    before = host.main_pid()

    with host.dropping(numbers):
        until(lambda: smarthost.count() >= 30)
        install(host.machine, *newer)
    assert host.main_pid() not in (0, before)
    assert host.machine.is_active("maildropd.path")

    until(lambda: smarthost.count() >= copies(numbers), within=60)
    until(lambda: not host.queue())
    assert judge(mails(numbers), smarthost.mails()) == Verdict()
    assert host.machine.run("dpkg-query", "-f${Version}", "-W", "maildropd") == VERSION
