# SPDX-License-Identifier: Apache-2.0
"""The guide for MaildropHost as it stands, on a Debian with an old spool.

Its commands are those of the page, run by root in one shell: apt, systemctl,
the users and the sandbox of the service are real.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.guides import commands
from tests.system.host import Host
from tests.system.machine import until
from tests.system.postfix import Postfix

GUIDE = "maildrophost.md"
HOME = "/srv/zope/maildrop"
ALL, LOCKED, BROKEN = 1000, 100, 20
READY = ALL - LOCKED - BROKEN
CONFIG = f"""\
PYTHON="/usr/bin/python"
MAILDROP_HOME="{HOME}"
SMTP_HOST="smarthost.test"
SMTP_PORT=25
MAILDROP_INTERVAL=120
DEBUG=0
MAILDROP_BATCH=0
MAILDROP_TLS=1
MAILDROP_LOGIN=""
MAILDROP_PASSWORD=""
WAIT_INTERVAL=0.0
SUPERVISED_DAEMON=0
"""
# It does what theirs does when there is nothing to do, and has its name.
OLD = "import signal; signal.alarm(300); signal.pause()"
BEFORE = f"""\
useradd --create-home zope
mkdir -p {HOME}/var
echo '### Started at 2009/10/09 10:00:00' > {HOME}/var/maildrop.log
chown -R zope: {HOME}
systemd-run --quiet --unit=theirs --uid=zope /usr/bin/python3 -c '{OLD}' maildrop.py
systemctl show -P MainPID theirs | tr -d '\\n' > {HOME}/var/maildrop.pid
"""
AFTER = """\
systemctl stop theirs maildropd
rm -rf /srv/zope /etc/maildrop/maildropd.conf.d/50-imported-maildrophost.conf
userdel --remove zope
"""


@pytest.fixture
def zope(host: Host) -> Iterator[Host]:
    """A host with Zope's user, a full spool, and MaildropHost at work."""
    host.machine.push("/srv/zope/maildrophost/config", CONFIG)
    host.machine.push("/etc/maildrop/maildropd.conf", "[queue]\nfirst_retry = 1s\n")
    spool = host.machine.path(f"{HOME}/spool")
    spool.mkdir(parents=True)
    for number in range(ALL - BROKEN):
        _write(spool, number)
    for number in range(BROKEN):
        (spool / f"broken{number}").write_bytes((b"no mail\n", b"##To\n")[number % 2])
    host.machine.run("sh", "-ec", BEFORE)
    yield host
    host.machine.run("sh", "-c", AFTER)


def _write(spool: Path, number: int) -> None:
    name = str(100_000 + number)
    content = (
        f"##To:r{number}@example.test\n##From:app@drop.test\nSubject: n{number}\n\nhi\n"
    )
    (spool / name).write_text(content)
    if number < LOCKED:
        (spool / f"{name}.lck").write_text("locked")


def test_a_thousand_mails_end_as_they_should_and_zope_goes_on(
    zope: Host, smarthost: Postfix
) -> None:
    zope.machine.run("sh", "-e", stdin="\n".join(commands(GUIDE)))

    until(lambda: smarthost.count() >= READY, within=60)
    held = [
        recipient["state"]
        for message in zope.queue()
        for recipient in message["recipients"]
    ]
    quarantine = zope.machine.path("/var/spool/maildrop/quarantine")
    reasons = [*quarantine.glob("*.reason")]
    quarantined = [*zope.machine.path(HOME).glob("quarantine/*.reason"), *reasons]
    arrived = [mail.field("Subject") for mail in smarthost.mails()]
    sent = [subject for subject in arrived if subject.startswith("n")]
    assert held == ["hold"] * LOCKED
    assert len(sent) == len(set(sent))
    assert len(sent) + len(held) + len(quarantined) == ALL
    assert "moved" in arrived
    assert not [*zope.machine.path(f"{HOME}/spool.old").iterdir()]
    _goes_on(zope, smarthost)


def _goes_on(zope: Host, smarthost: Postfix) -> None:
    """Zope writes into the new spool as into the old, and may read the log."""
    letter = "##To:late@example.test\n##From:app@drop.test\nSubject: late\n\nhi\n"

    zope.machine.run("tee", f"{HOME}/spool/123456", user="zope", stdin=letter)

    until(lambda: "late" in [m.field("Subject") for m in smarthost.mails()], within=30)
    assert zope.machine.run("cat", f"{HOME}/var/maildrop.log", user="zope")
