# SPDX-License-Identifier: Apache-2.0
"""The drop on a machine with many users, of whom some are clumsy or curious."""

from maildropd.mail.events import MessageQuarantined
from tests.system.host import DROP, Host
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import copies, mails
from tests.system.postfix import Postfix

QUARANTINE = "/var/spool/maildrop/quarantine"
JUNK = f"""
import os
os.chdir("{DROP}")
os.mkfifo("fifo")
os.symlink("/etc/shadow", "link")
os.mkdir("folder")
open("folder/inside", "w").close()
open(b"\\377\\376.eml", "w").write("Subject: to nobody\\n\\n")
open("empty", "w").close()
open("no-recipient", "w").write("Subject: to nobody\\n\\nhello\\n")
open("no-colon", "w").write("##To nobody\\n")
with open("secret", "w") as file:
    os.chmod("secret", 0o600)
    file.write("To: bob@example.test\\n\\nnobody else may read this\\n")
"""


def test_junk_of_any_kind_stops_no_good_mail(host: Host, smarthost: Postfix) -> None:
    host.start()

    host.machine.run("/usr/bin/python3", "-c", JUNK, user="alice")
    host.drop(range(20))

    until(lambda: smarthost.count() >= copies(range(20)), within=15)
    assert judge(mails(range(20)), smarthost.mails()) == Verdict()
    assert host.restarts() == 0


def test_what_is_no_mail_is_set_aside_with_the_reason_beside_it(
    host: Host, smarthost: Postfix
) -> None:
    host.configure("[spool drop]\nsettle_time = 1s\npoll_interval = 1s\n")
    host.start()

    host.machine.run("/usr/bin/python3", "-c", JUNK, user="alice")

    told = host.until_said(MessageQuarantined.event_id, count=7)
    uid = host.machine.run("id", "-u", "alice").strip()
    assert {entry["MAILDROP_SUBMITTER_UID"] for entry in told} == {uid}
    kept = host.dropped_files(QUARANTINE)
    reasons = [name for name in kept if name.endswith(".reason")]
    assert len(reasons) == 7
    for name in reasons:
        assert name.removesuffix(".reason") in kept
        assert host.machine.path(f"{QUARANTINE}/{name}").read_text()
    assert smarthost.count() == 0


def test_users_can_neither_list_nor_read_nor_take_away_what_others_drop(
    host: Host,
) -> None:
    host.machine.run(
        "sh",
        "-c",
        f"umask 027; echo hi > {DROP}/.hers; mkdir {DROP}/.box",
        user="alice",
    )

    for attempt in (
        f"ls {DROP}",
        f"cat {DROP}/.hers",
        f"rm -f {DROP}/.hers",
        f"mv {DROP}/.hers {DROP}/.mine",
        f"rmdir {DROP}/.box",
        f"ls {QUARANTINE}",
    ):
        tried = host.machine.attempt("sh", "-c", attempt, user="bob")
        assert tried.returncode != 0, attempt


def test_only_root_sees_the_queue(host: Host) -> None:
    host.start()

    for command in ("status",), ("queue",), ("flush",), ("reload",):
        tried = host.machine.attempt("maildropctl", *command, user="bob")
        assert tried.returncode == 1, command
        assert not tried.stdout


def test_a_drop_that_was_deleted_and_made_again_is_found_again(
    host: Host, smarthost: Postfix
) -> None:
    """In the sandbox a bind mount could hold on to the directory that is gone."""
    host.configure("[spool drop]\npoll_interval = 1s\n")
    host.start()
    host.machine.run("systemctl", "stop", "maildropd.path")

    host.machine.run("rm", "-rf", DROP)
    host.machine.run("systemd-tmpfiles", "--create", "maildropd.conf")
    host.drop(range(20))

    until(lambda: smarthost.count() >= copies(range(20)))
    assert judge(mails(range(20)), smarthost.mails()) == Verdict()


def test_systemctl_status_says_what_is_going_on(host: Host, smarthost: Postfix) -> None:
    """It is renewed whenever the watchdog is fed: here, each second."""
    host.drop_in("watchdog", "[Service]\nWatchdogSec=3s\n")
    smarthost.down()
    host.start()
    host.drop(range(10))

    until(lambda: "10" in host.machine.unit("maildropd", "StatusText"))
    until(lambda: "smarthost.test" in host.machine.unit("maildropd", "StatusText"))
    smarthost.up()

    until(lambda: "smarthost.test" not in host.machine.unit("maildropd", "StatusText"))
