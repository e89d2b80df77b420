# SPDX-License-Identifier: Apache-2.0
"""Programs that know nothing of us send mail: whole, in the right name, and known.

The table is in callers.py.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.callers import BODY, BY_SENDMAIL, BY_SMTP, LETTER, TEXT, Caller
from tests.system.machine import until
from tests.system.office import Office
from tests.system.postfix import Delivered, Postfix

_FILES = {
    BODY: TEXT,
    LETTER: f"Subject: a letter\n\n{TEXT}",
    "/srv/smartd.conf": "/dev/null -d scsi -m root -M test\n",
    "/etc/sudoers.d/alice": "Defaults passwd_tries=1\nalice ALL=(ALL) ALL\n",
    "/etc/apt/apt.conf.d/90mail": 'Unattended-Upgrade::Mail "root";\n'
    'Unattended-Upgrade::MailReport "always";\n',
    "/var/log/office.log": "",
    "/etc/fail2ban/jail.local": "[sshd]\nenabled = false\n"
    "[office]\nenabled = true\nbackend = polling\nfilter = sshd\n"
    "logpath = /var/log/office.log\n"
    "action = sendmail[name=office, dest=root, sender=guard@office.test]\n",
}


@pytest.fixture(scope="module")
def furnished(office: Office) -> Iterator[Office]:
    """The office with what the programs need, and every door open."""
    machine = office.machine
    for name, text in _FILES.items():
        machine.push(name, text)
    machine.run("chpasswd", stdin="alice:right\n")
    shim = Path(__file__).with_name("disk_shim.c")
    disk = machine.path("/srv/disk.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", disk, shim], check=True)
    office.open()
    yield office
    machine.run("systemctl", "stop", "fail2ban")
    machine.run("crontab", "-r", "-u", "alice")  # it would run at the next boot


@pytest.mark.parametrize("caller", BY_SENDMAIL + BY_SMTP, ids=lambda each: each.name)
def test_a_program_sends_mail_whole_in_its_users_name_and_the_journal_knows_both(
    furnished: Office, smarthost: Postfix, caller: Caller
) -> None:
    whole = re.compile(caller.body, re.DOTALL)

    def arrived() -> list[Delivered]:
        return [
            mail
            for mail in smarthost.mails()
            if mail.recipient == caller.forward_path
            and whole.fullmatch(mail.body.decode())
        ]

    done = furnished.call(
        caller.name, caller.script, caller.runs_as or caller.user, caller.properties
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    until(arrived)

    (mail,) = arrived()
    (told,) = furnished.accepted(mail)
    assert mail.sender == told["MAILDROP_SENDER"] == caller.sender
    assert mail.field("From") == caller.author
    assert mail.field("X-Original-From") == caller.replaced
    assert told["MAILDROP_SUBMITTER_UID"] == furnished.uid(caller.user)
    assert told.get("MAILDROP_SUBMITTER_SURMISED", "no") == (
        "yes" if caller.surmised else "no"
    )
    if not caller.surmised:
        unit = caller.unit or f"call-{caller.name}.service"
        assert told["MAILDROP_SUBMITTER_UNIT"] == unit


def test_our_package_took_the_place_of_another_mta(office: Office) -> None:
    """The office was made with one, because programs depend on it."""
    state = office.machine.attempt("dpkg-query", "-Wf${db:Status-Status}", "msmtp-mta")

    assert state.stdout in ("", "config-files", "not-installed")
    assert office.machine.run("readlink", "-f", "/usr/lib/sendmail").strip() == (
        "/usr/sbin/sendmail"
    )
