# SPDX-License-Identifier: Apache-2.0
"""Services that are locked up can send mail, with nothing opened for that.

No set-id program is needed, and no place to write: only a socket.
"""

from collections.abc import Mapping

import pytest

from tests.system.machine import until
from tests.system.office import SUBMISSION, Office
from tests.system.postfix import Postfix

SANDBOXES: Mapping[str, tuple[str, ...]] = {
    "privileges": ("NoNewPrivileges=yes", "CapabilityBoundingSet="),
    "network": ("PrivateNetwork=yes", "RestrictAddressFamilies=AF_UNIX"),
    "disk": ("ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes"),
    "users": ("PrivateUsers=yes",),
    "dynamic": ("DynamicUser=yes",),
}
TOGETHER = tuple(line for lines in SANDBOXES.values() for line in lines)
_SENDMAIL = "printf 'To: %s\\nSubject: out\\n\\nhello\\n' | /usr/sbin/sendmail -t"
_SMTP = (
    "printf 'To: %s\\n\\nhello\\n' |"
    f" msmtp --host=x --socket={SUBMISSION} --from=$(id -un)@office.test -t"
)
WAYS: Mapping[str, str] = {"sendmail": _SENDMAIL, "smtp": _SMTP}


@pytest.fixture(scope="module")
def opened(office: Office) -> Office:
    """The office, with every door open."""
    office.open()
    return office


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "properties",
    [*SANDBOXES.values(), TOGETHER],
    ids=[*SANDBOXES, "together"],
)
def test_a_service_in_a_sandbox_sends_mail_and_the_journal_knows_which(
    opened: Office, smarthost: Postfix, properties: tuple[str, ...], way: str
) -> None:
    is_dynamic = "DynamicUser=yes" in properties
    name = f"{way}-{len(properties)}" + "d" * is_dynamic
    recipient = f"{name}@example.test"
    script = f"id -u; {WAYS[way] % recipient}"

    done = opened.call(name, script, "" if is_dynamic else "alice", properties)

    assert done.returncode == 0, done.stderr
    until(lambda: smarthost.count() == 1)
    (mail,) = smarthost.mails()
    (told,) = opened.accepted(mail)
    login = f"call-{name}" if is_dynamic else "alice"
    assert mail.recipient == recipient
    assert mail.body == b"hello\n"
    assert mail.sender == told["MAILDROP_SENDER"] == f"{login}@office.test"
    assert told["MAILDROP_SUBMITTER_UID"] == done.stdout.strip()
    assert told["MAILDROP_SUBMITTER_UNIT"] == f"call-{name}.service"


def test_a_service_that_may_neither_connect_nor_write_hears_that_its_mail_is_not_taken(
    opened: Office, smarthost: Postfix
) -> None:
    """EX_TEMPFAIL, and a reason for each way; nothing is swallowed."""
    closed = ("RestrictAddressFamilies=AF_INET", "ProtectSystem=strict")
    script = _SENDMAIL % "nobody@example.test"

    done = opened.call("closed", script, "alice", closed)

    assert done.returncode == 75
    assert "/run/maildrop/sendmail" in done.stderr
    assert "/var/spool/maildrop/drop" in done.stderr
    assert smarthost.count() == 0


def test_a_service_that_may_only_write_leaves_its_mail_in_the_drop(
    opened: Office, smarthost: Postfix
) -> None:
    script = _SENDMAIL % "bob@example.test"

    done = opened.call("writer", script, "alice", ("RestrictAddressFamilies=AF_INET",))

    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: smarthost.count() == 1)
    (mail,) = smarthost.mails()
    (told,) = opened.accepted(mail)
    assert mail.body == b"hello\n"
    assert mail.sender == "alice@office.test"
    assert told["MAILDROP_SUBMITTER_UID"] == opened.uid("alice")
