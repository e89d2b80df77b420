# SPDX-License-Identifier: Apache-2.0
"""Alice and Bob have accounts on one host: what neither can do to the other.

Every door is tried by a real user, against what is really installed.
"""

import pytest

from tests.system.host import DROP, UNIT
from tests.system.machine import until
from tests.system.office import SOCKETS, SUBMISSION, Office
from tests.system.postfix import Postfix
from tests.system.root import USERS

SECRET = "/etc/maildrop/credentials/smarthost"
REFUSE = "[submission]\notherwise = refuse\n"
QUOTA = """
[submitter alice]
user = alice
message_quota = 5/h
byte_quota = 2M/h
"""
LETTER = "From: Bob <bob@office.test>\nSubject: not from me\n\nhello\n"
# As Bob, through each door; msmtp speaks SMTP.
FORGERIES = {
    "sendmail": "sendmail -i -f bob@office.test ops@example.test",
    "socket": f"msmtp --host=x --socket={SUBMISSION}"
    " --from=bob@office.test ops@example.test",
    "loopback": "msmtp --host=127.0.0.1 --from=bob@office.test ops@example.test",
}
BEHIND_DOORS = (
    "/etc/maildrop/credentials",
    "/run/maildropd",
    "/var/lib/maildropd",
    "/var/spool/maildrop/drop",
    "/var/spool/maildrop/quarantine",
)


@pytest.fixture
def opened(office: Office, smarthost: Postfix) -> Office:
    """The office, with every door open and the smarthost waiting."""
    office.host.reset()
    smarthost.forget()  # what the daemon of another test still sent until then
    office.machine.push(SECRET, "s3cret\n", 0o600)
    office.open()
    return office


def sh(office: Office, script: str, user: str = "alice", stdin: str = "") -> int:
    """Have a user's shell do something; return its status."""
    return office.machine.attempt("sh", "-c", script, user=user, stdin=stdin).returncode


@pytest.mark.parametrize("door", FORGERIES)
def test_what_alice_sends_as_bob_goes_out_as_from_alice(
    opened: Office, smarthost: Postfix, door: str
) -> None:
    assert sh(opened, FORGERIES[door], stdin=LETTER) == 0

    until(lambda: smarthost.count() == 1)
    (mail,) = smarthost.mails()
    assert mail.sender == "alice@office.test"
    assert mail.field("From") == "Bob <alice@office.test>"
    assert mail.field("X-Original-From") == "Bob <bob@office.test>"
    assert mail.field("Reply-To") == "Bob <bob@office.test>"


def test_what_alice_drops_as_bob_goes_out_as_from_alice(
    opened: Office, smarthost: Postfix
) -> None:
    script = f"cat > {DROP}/.letter && mv {DROP}/.letter {DROP}/letter"

    assert sh(opened, script, stdin=f"To: ops@example.test\n{LETTER}") == 0

    until(lambda: smarthost.count() == 1)
    (mail,) = smarthost.mails()
    assert mail.sender == "alice@office.test"
    assert mail.field("From") == "Bob <alice@office.test>"


@pytest.mark.parametrize("door", FORGERIES)
def test_where_it_is_said_so_alice_is_refused_as_bob_and_the_journal_names_her(
    opened: Office, smarthost: Postfix, door: str
) -> None:
    opened.open(REFUSE)

    assert sh(opened, FORGERIES[door], stdin=LETTER) in (65, 69, 77)

    uid = f"MAILDROP_SUBMITTER_UID={opened.uid('alice')}"

    def names_her() -> bool:
        told = opened.machine.journal(UNIT, uid)
        return any("bob@office.test" in each["MESSAGE"] for each in told)

    until(names_her, every=0.2)
    assert smarthost.count() == 0
    assert opened.host.queue() == []


@pytest.mark.parametrize("place", BEHIND_DOORS)
def test_alice_cannot_look_behind_the_doors(opened: Office, place: str) -> None:
    opened.machine.run("test", "-d", place)

    assert sh(opened, f"ls {place}") != 0


@pytest.mark.parametrize("command", ["queue", "show X", "flush", "remove X", "status"])
def test_alice_cannot_operate_the_queue(opened: Office, command: str) -> None:
    assert sh(opened, f"maildropctl {command}") != 0


def test_alice_cannot_change_what_is_configured_or_stand_in_for_a_door(
    opened: Office,
) -> None:
    """Only root may write above the sockets, the configuration and the programs."""
    places = (
        "/etc/maildrop",
        "/etc/maildrop/maildropd.conf",
        "/etc/maildrop/maildropd.conf.d",
        "/run/maildrop",
        "/run/maildropd",
        "/usr/sbin/sendmail",
        "/var/lib/maildropd",
        "/var/spool/maildrop",
    )
    writable = [each for each in places if sh(opened, f"test -w {each}") == 0]

    assert writable == []
    for socket in "submission", "sendmail":
        path = f"/run/maildrop/{socket}"
        assert sh(opened, f"rm -f {path} || mv {path} {path}.old") != 0


def test_bob_can_neither_read_nor_replace_nor_remove_what_alice_dropped(
    opened: Office,
) -> None:
    """While nobody takes it: the daemon and all its doors are shut."""
    machine = opened.machine
    machine.run("systemctl", "stop", *SOCKETS, "maildropd.path", UNIT)
    letter = f"{DROP}/letter"
    assert sh(opened, f"umask 027; cat > {letter}", stdin=LETTER) == 0
    before = machine.path(letter).stat()

    tries = (
        f"cat {letter}",
        f"echo more >> {letter}",
        f"rm -f {letter}; test ! -e {letter}",
        f"echo other > /tmp/other; mv -f /tmp/other {letter}",
        f"ln -f {letter} {DROP}/second",
    )
    assert [each for each in tries if sh(opened, each, user="bob") == 0] == []
    assert machine.path(letter).stat() == before


def test_alice_uses_up_her_share_and_bob_is_not_touched(
    opened: Office, smarthost: Postfix
) -> None:
    opened.open(QUOTA)
    letter = "sendmail -i ops@example.test"

    sent = [sh(opened, letter, stdin="hello\n") for _ in range(8)]

    assert sent[:5] == [0] * 5
    assert set(sent[5:]) <= {75}
    assert sh(opened, letter, user="bob", stdin="hello\n") == 0
    until(lambda: smarthost.count() >= 6)
    senders = [mail.sender for mail in smarthost.mails()]
    assert sorted(senders) == ["alice@office.test"] * 5 + ["bob@office.test"]


def test_alice_cannot_fill_the_disk_beyond_her_share(
    opened: Office, smarthost: Postfix
) -> None:
    """Twelve times a megabyte, where two are hers, while nothing can leave."""
    smarthost.down()
    opened.open(QUOTA)
    before = used(opened)

    for door in FORGERIES.values():
        script = f"head -c 1000000 /dev/zero | tr '\\0' x | fold | {door}"
        heard = [sh(opened, script.replace("bob@", "alice@")) for _ in range(4)]
        assert heard[-1] != 0

    until(opened.host.queue)
    assert used(opened) - before < 4_000_000
    assert opened.machine.is_active(UNIT)


def test_what_alice_drops_beyond_her_share_stays_a_file_of_hers(
    opened: Office, smarthost: Postfix
) -> None:
    """What she fills by that is her share of the disk, as at home."""
    opened.open(QUOTA)
    letter = f"To: ops@example.test\n{LETTER}"

    for number in range(8):
        script = f"cat > {DROP}/.{number} && mv {DROP}/.{number} {DROP}/{number}.eml"
        assert sh(opened, script, stdin=letter) == 0

    until(lambda: smarthost.count() == 5)
    until(lambda: len(opened.host.dropped_files()) == 3)
    owners = {path.stat().st_uid for path in opened.machine.path(DROP).iterdir()}
    assert owners == {int(opened.uid("alice"))}
    assert opened.host.queue() == []


def test_in_the_queue_alice_sees_her_own_mail_and_no_other(
    opened: Office, smarthost: Postfix
) -> None:
    smarthost.down()
    for user in USERS:
        assert sh(opened, f"sendmail {user}@example.test", user, "hello\n") == 0

    seen = opened.machine.run("mailq", user="alice")

    assert [user for user in USERS if f"{user}@" in seen] == ["alice"]
    assert "bob@" in opened.machine.run("mailq")


def used(office: Office) -> int:
    """Return how many octets queue and drop take up."""
    said = office.machine.run("du", "-sbc", "/var/lib/maildropd", "/var/spool/maildrop")
    return int(said.splitlines()[-1].split()[0])


def test_a_process_of_alices_is_not_told_more_than_others(opened: Office) -> None:
    """The daemon's memory, descriptors and environment are its own."""
    pid = opened.host.main_pid()

    for look in "cat %s/environ", "cat %s/maps", "ls %s/fd", "readlink %s/cwd":
        assert sh(opened, look % f"/proc/{pid}") != 0
    assert sh(opened, f"kill -0 {pid}") != 0
