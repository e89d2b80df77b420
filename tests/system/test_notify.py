# SPDX-License-Identifier: Apache-2.0
"""Root hears that a unit failed: with its log, once, and without end to it."""

import email
import email.policy
import json
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.system.host import DROP, UNIT, Host
from tests.system.machine import until
from tests.system.postfix import Postfix

TO_ROOT = "[names]\nlocal_to = root@example.test\n"
EXAMPLE = "/usr/share/doc/maildropd/examples/10-maildropd-notify.conf"
FOR_ALL = "/etc/systemd/system/service.d/10-maildropd-notify.conf"
NOTIFY, DIGEST = "maildropd-notify@.service", "maildropd-notify-digest"
JOB = "/etc/systemd/system/job@.service"
# The second run of an instance fails; each says which it is.  It stays until the
# journal has that: of a process that has ended it cannot tell the run any more.
SCRIPT = 'echo "run $0 of $1"; journalctl --sync; [ "$0" = good ]'
TEXT = f"[Service]\nType=oneshot\nExecStart=/bin/sh -c '{SCRIPT}' $RUN %i\n"
RECORD = "/var/lib/maildrop-notify"
ODD = r"job@a\x20b-\xc3\xbc\x2d\x2dhelp.service"
RESET = f"""
rm -rf /etc/systemd/system/service.d {JOB} {JOB}.d {RECORD}
systemctl daemon-reload
systemctl restart {DIGEST}.timer
systemctl reset-failed
"""


@pytest.fixture
def watched(host: Host) -> Iterator[Host]:
    """The host, on which every failing service is told of, and one can fail."""
    host.configure(TO_ROOT)
    host.machine.push(JOB, TEXT)
    host.machine.run("install", "-D", "-m", "0644", EXAMPLE, FOR_ALL)
    host.machine.run("systemctl", "daemon-reload")
    host.start()
    yield host
    host.machine.run("sh", "-c", RESET)


def fail(host: Host, unit: str = "job@x.service", run: str = "bad") -> None:
    host.drop_in("run", f"[Service]\nEnvironment=RUN={run}\n", unit="job@.service")
    host.machine.attempt("systemctl", "start", unit)


def told(host: Host, count: int, unit: str = "job@x.service") -> None:
    """Wait until so many failures of a unit were mailed or counted."""
    match, said = "_COMM=maildropd-notif", "SYSLOG_IDENTIFIER=maildropd-notify"

    def look() -> bool:
        lines = host.machine.run(
            "journalctl", "--quiet", "--output=cat", match, "+", said
        )
        return lines.count(f"{unit} failed: ") >= count

    until(look, every=0.2)


def mails(smarthost: Postfix) -> list[EmailMessage]:
    """Return what root got, by subject."""
    read = (
        email.message_from_bytes(copy.content, policy=email.policy.default)
        for copy in smarthost.mails()
    )
    return sorted(read, key=lambda mail: str(mail["Subject"]))


def started_about_mailing(host: Host) -> str:
    """Return the units that systemd knows for telling of those that tell."""
    listing = ("systemctl", "list-units", "--all", "--plain", "--no-legend")
    return host.machine.run(*listing, "maildropd-notify@maildropd-notify*")


def in_a_hurry(host: Host) -> None:
    """Close windows after seconds, not an hour."""
    host.drop_in("hurry", "[Service]\nEnvironment=OPTIONS=--window=4s\n", unit=NOTIFY)
    timer = "[Timer]\nOnActiveSec=\nOnActiveSec=1s\nAccuracySec=100ms\n"
    host.drop_in("hurry", timer, unit=f"{DIGEST}.timer")


def close_windows(host: Host) -> None:
    """End the windows of all that is counted, and let the next ones be short."""
    for page in host.machine.path(RECORD).glob("[!.]*"):
        said = json.loads(page.read_text())
        page.write_text(json.dumps({**said, "closes": said["opened"], "window": 4.0}))


def test_root_gets_one_mail_with_the_log_of_exactly_what_failed(
    watched: Host, smarthost: Postfix
) -> None:
    """A former run of the unit, and another's lines, are none of it."""
    fail(watched, ODD, "good")
    fail(watched, "job@other.service", "good")

    fail(watched, ODD)

    until(lambda: smarthost.count() == 1)
    (mail,) = mails(smarthost)
    assert mail["Subject"].endswith(f"] {ODD} failed: exit-code, status=1")
    assert "systemd on " in mail["From"]
    assert mail["Auto-Submitted"] == "auto-generated"
    text = str(mail.get_content())
    instance = ODD.removeprefix("job@").removesuffix(".service")
    assert text.count(f"run bad of {instance}\n") == 1
    assert text.count("Failed with result 'exit-code'.\n") == 1
    assert "run good" not in text
    assert "Active: failed" in text
    watched.machine.run("systemctl", "reset-failed")
    assert smarthost.count() == 1


def test_repeats_come_in_one_digest_and_then_no_more(
    watched: Host, smarthost: Postfix
) -> None:
    for n in range(1, 5):
        fail(watched)
        told(watched, n)
    close_windows(watched)
    in_a_hurry(watched)
    watched.machine.run("systemctl", "restart", f"{DIGEST}.timer")

    until(lambda: smarthost.count() == 2)

    first, digest = sorted(mails(smarthost), key=lambda mail: "times" in str(mail))
    assert "job@x.service failed: exit-code" in first["Subject"]
    assert "job@x.service failed 3 times: exit-code" in digest["Subject"]
    assert str(digest.get_content()).count("run bad of x\n") == 1
    until(lambda: not watched.machine.is_active(f"{DIGEST}.timer"))
    assert smarthost.count() == 2


def test_what_is_counted_outlives_a_reboot(watched: Host, smarthost: Postfix) -> None:
    for n in (1, 2):
        fail(watched)
        told(watched, n)
    until(lambda: smarthost.count() == 1)
    close_windows(watched)
    in_a_hurry(watched)

    watched.machine.reboot()

    until(lambda: smarthost.count() == 2, within=60)
    assert any("failed once" in str(mail["Subject"]) for mail in mails(smarthost))


def test_a_failure_to_mail_is_to_be_seen_and_not_mailed_about(
    watched: Host, smarthost: Postfix
) -> None:
    """With the drop-in for all services on: it would tell of itself for ever."""
    broken = "[Service]\nExecStart=\nExecStart=/bin/false\n"
    watched.drop_in("broken", broken, unit=NOTIFY)
    watched.drop_in("broken", broken, unit=f"{DIGEST}.service")

    fail(watched)
    watched.machine.attempt("systemctl", "start", f"{DIGEST}.service")

    notify = "maildropd-notify@job@x.service.service"
    until(lambda: watched.machine.unit(notify, "ActiveState") == "failed")
    assert watched.machine.unit(notify, "OnFailure") == ""
    assert watched.machine.unit(f"{DIGEST}.service", "OnFailure") == f"{DIGEST}.timer"
    assert started_about_mailing(watched) == ""
    assert smarthost.count() == 0


def test_under_another_name_the_drop_in_makes_no_mail_about_mailing(
    watched: Host, smarthost: Postfix
) -> None:
    """Then systemd starts it for its own units, too, and it declines."""
    other = FOR_ALL.replace("10-", "99-other-")
    watched.machine.run("mv", FOR_ALL, other)
    broken = "[Service]\nExecStart=\nExecStart=/bin/false\n"
    watched.drop_in("broken", broken, unit=f"{DIGEST}.service")

    watched.machine.attempt("systemctl", "start", f"{DIGEST}.service")
    about = f"maildropd-notify@{DIGEST}.service.service"
    told(watched, 1, f"{DIGEST}.service")
    fail(watched)

    until(lambda: smarthost.count() == 1)
    (mail,) = mails(smarthost)
    assert "job@x.service failed" in mail["Subject"]
    assert watched.machine.unit(about, "Result") == "success"
    said = [entry["MESSAGE"] for entry in watched.machine.journal(about)]
    assert [line for line in said if "not mailed" in line]


def test_a_failure_of_maildropd_itself_is_mailed_when_it_is_back(
    watched: Host, smarthost: Postfix
) -> None:
    watched.configure("[nonsense]\n")
    watched.machine.run("systemctl", "stop", "maildropd.path")
    watched.machine.attempt("systemctl", "restart", UNIT)
    until(lambda: watched.dropped_files(DROP))

    watched.configure(TO_ROOT)
    watched.machine.run("systemctl", "reset-failed")
    watched.machine.run("systemctl", "start", UNIT)

    until(lambda: smarthost.count() >= 1)
    assert any(
        "maildropd.service failed" in str(m["Subject"]) for m in mails(smarthost)
    )


def test_many_units_at_once_make_a_few_mails_that_name_them_all(
    watched: Host, smarthost: Postfix
) -> None:
    units = [f"job@u{n}.service" for n in range(40)]
    in_a_hurry(watched)
    fail(watched, units[0])
    watched.machine.run("systemctl", "start", "--no-block", *units[1:])

    def named() -> bool:
        text = "".join(str(mail.get_content()) for mail in mails(smarthost))
        return all(unit in text for unit in units)

    until(named, within=60, every=0.5)
    assert smarthost.count() <= 14
