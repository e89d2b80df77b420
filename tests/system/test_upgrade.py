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

# Hands over mails by sendmail, each of which must say that it is taken.
SENDING = """
import subprocess, sys
sys.path.insert(0, "/srv")
from mails import mails
for mail in mails(range(*map(int, sys.argv[1:]))):
    command = ["/usr/sbin/sendmail", "-i", "-f", mail.sender, "--", *mail.recipients]
    subprocess.run(command, input=mail.content, check=True)
"""


@pytest.fixture
def newer(debs: Debs, the_host: Host, tmp_path: Path) -> Iterator[Debs]:
    """The packages under a higher version; afterwards the old ones are back."""
    yield repacked(debs, tmp_path)
    install(the_host.machine, *debs)
    the_host.reset()


def test_an_upgrade_under_load_loses_and_doubles_nothing(
    newer: Debs, host: Host, smarthost: Postfix
) -> None:
    dropped, sent = range(600), range(600, 900)
    numbers = range(900)
    host.configure(wait_interval="10ms")
    host.start()
    before = host.main_pid()

    sending = ("python3", "-c", SENDING, str(sent.start), str(sent.stop))
    with host.dropping(dropped), host.machine.background(*sending, user="alice"):
        until(lambda: smarthost.count() >= 30)
        install(host.machine, *newer)
    assert host.main_pid() not in (0, before)
    for unit in "maildropd.path", "maildropd.socket", "maildropd-sendmail.socket":
        assert host.machine.is_active(unit)

    until(lambda: smarthost.count() >= copies(numbers), within=60)
    until(lambda: not host.queue())
    assert judge(mails(numbers), smarthost.mails()) == Verdict()
    assert host.machine.run("dpkg-query", "-f${Version}", "-W", "maildropd") == VERSION
