# SPDX-License-Identifier: Apache-2.0
"""The daemon sends by section and alias: another relay, a Maildir, a command, a file.

What a submitter was taken under is put into the store by hand, before the start.
"""

import mailbox
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.clock import SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId, Submission, Submitter, Terms, queue_id
from maildropd.store.sqlite import SqliteStore
from tests.fakes.journal import FakeJournal
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

CONTENT = b"Subject: hello\r\n\r\nHow do you do?\r\n"
CAPTURE = "[submitter staging]\nuid = 4000\ncapture = box\n"
RUNS = "[names]\naliases_may_run = yes\n"


@pytest.fixture
def other() -> Iterator[SmtpServer]:
    """Serve as another relay."""
    with SmtpServer() as server:
        yield server


def laid(
    daemon: DaemonProcess, recipient: str, rules: str = "", run: str = ""
) -> QueueId:
    """Put a message into the store of a daemon that does not run."""
    clock = SystemClock("")
    store = SqliteStore(
        daemon.folder / "state", "test", FakeJournal(), clock, Heartbeats(clock)
    )
    with closing(store):
        now = clock.now()
        mail = Submission(
            reverse_path="app@example.org",
            recipients=(recipient,),
            submitter=Submitter(name="sendmail", uid=4000, rules=rules),
            content=[CONTENT],
            terms=(Terms(run=run),),
        )
        times = (now, now + timedelta(days=1))
        return store.add(mail, queue_id(now, 0), times).result(10).queue_id


def reload(daemon: DaemonProcess, config: str) -> None:
    daemon.configure(config)
    assert daemon.control("reload").returncode == 0


def arrived(server: SmtpServer) -> list[str]:
    return [path for taken in server.delivered for path in taken.recipients]


def news(other: SmtpServer, *, section: bool = True) -> str:
    relay = f"[relay bulk]\nhost = 127.0.0.1\nport = {other.port}\ntls = none\n"
    use = "relay = bulk\n" if section else ""
    return f"[queue]\nrelay = smarthost\n{relay}[submitter news]\nuid = 4000\n{use}"


def test_a_section_may_have_a_relay_of_its_own(
    daemon: DaemonProcess, server: SmtpServer, other: SmtpServer
) -> None:
    laid(daemon, "news@example.net", rules="news")
    laid(daemon, "mail@example.net")
    daemon.configure(news(other))

    daemon.start()
    daemon.wait_for("MessageDone", 2)

    assert arrived(server) == ["mail@example.net"]
    assert arrived(other) == ["news@example.net"]
    relays = {e["MAILDROP_RELAY"] for e in daemon.of("RecipientDelivered")}
    assert relays == {f"127.0.0.1:{each.port}" for each in (server, other)}
    said = daemon.control("status").stdout
    for each in server, other:
        assert f"relay       127.0.0.1:{each.port}: works" in said


def test_a_change_of_the_configuration_moves_queued_mail(
    daemon: DaemonProcess, server: SmtpServer, other: SmtpServer
) -> None:
    laid(daemon, "news@example.net", rules="news")
    other.__exit__()
    daemon.configure(news(other))
    daemon.start()
    daemon.wait_for("RouteFailed")

    reload(daemon, news(other, section=False))
    daemon.wait_for("MessageDone")

    assert arrived(server) == ["news@example.net"]


def test_what_is_captured_lies_in_a_maildir_and_no_server_hears_of_it(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    name = laid(daemon, "customer@example.net", rules="staging", run="|/bin/false")
    daemon.configure(CAPTURE + RUNS)

    daemon.start()
    daemon.wait_for("MessageDone")

    (event,) = daemon.of("RecipientDelivered")
    assert event["MAILDROP_RELAY"] == f"maildir:{tmp_path}/box"
    with closing(mailbox.Maildir(tmp_path / "box", create=False)) as box:
        (mail,) = box
    assert mail["X-Original-To"] == "customer@example.net"
    assert mail.get_payload() == "How do you do?\n"
    assert name in os.listdir(tmp_path / "box" / "new")[0]
    assert server.connections == 0


def test_a_maildir_that_cannot_be_written_makes_mail_wait(
    daemon: DaemonProcess, tmp_path: Path
) -> None:
    laid(daemon, "customer@example.net", rules="staging")
    daemon.configure(CAPTURE)
    (tmp_path / "box").write_text("in the way")

    daemon.start()
    (event,) = daemon.wait_for("RouteFailed")
    assert "Not a directory" in event["MESSAGE"]
    (tmp_path / "box").unlink()

    daemon.wait_for("MessageDone")
    assert len(os.listdir(tmp_path / "box" / "new")) == 1


def test_mail_of_a_section_that_is_gone_does_not_get_out(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    """It may have been captured; put back, the section decides."""
    laid(daemon, "customer@example.net", rules="staging")
    laid(daemon, "mail@example.net")
    daemon.start()
    daemon.wait_for("MessageDone")
    (event,) = daemon.wait_for("RecipientDeferred")
    assert "[submitter staging]" in event["MESSAGE"]
    assert arrived(server) == ["mail@example.net"]

    reload(daemon, CAPTURE)
    assert daemon.control("flush").returncode == 0
    daemon.wait_for("MessageDone", 2)

    assert len(os.listdir(tmp_path / "box" / "new")) == 1
    assert arrived(server) == ["mail@example.net"]


def test_aliases_run_commands_and_append_to_files_where_they_may(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    laid(daemon, "cmd@example.org", run=f"|/usr/bin/tee {tmp_path}/heard")
    laid(daemon, "file@example.org", run=f"{tmp_path}/mbox")
    laid(daemon, "no@example.org", run="|/bin/sh -c 'echo no such user; exit 67'")
    daemon.start()
    refused = daemon.wait_for("RecipientDeferred", 3)
    assert all("aliases_may_run = no" in each["MESSAGE"] for each in refused)
    assert not (tmp_path / "heard").exists()

    reload(daemon, RUNS)
    daemon.control("flush")
    daemon.wait_for("MessageDone", 4)
    (failed,) = daemon.wait_for("RecipientFailed")

    done = {e["MAILDROP_RECIPIENT"]: e for e in daemon.of("RecipientDelivered")}
    assert done["cmd@example.org"]["MAILDROP_RELAY"] == "command"
    assert done["file@example.org"]["MAILDROP_RELAY"] == "file"
    heard = (tmp_path / "heard").read_text()
    assert heard.startswith("Return-Path: <app@example.org>\nDelivered-To: cmd@")
    assert heard.endswith("\n\nHow do you do?\n")
    with closing(mailbox.mbox(tmp_path / "mbox", create=False)) as box:
        assert [mail["Subject"] for mail in box] == ["hello"]
    assert failed["MAILDROP_DSN"] == "5.1.1"
    assert "no such user" in failed["MESSAGE"]
    assert arrived(server) == ["app@example.org"]  # the report on that


def test_a_command_that_hangs_holds_up_nothing_else_and_ends_with_the_daemon(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    laid(daemon, "slow@example.org", run=f"|/bin/sh -c 'echo $$ >{begun}; sleep 1000'")
    daemon.configure(RUNS + "[daemon]\ndrain_timeout = 0\n")
    daemon.start()
    child = os.pidfd_open(int(begun.read_text()))

    daemon.put("1", b"##To:r@example.net\n##From:a@example.org\nSubject: x\n\nx\n")
    daemon.wait_for("MessageDone")
    assert arrived(server) == ["r@example.net"]

    assert daemon.stop() == 0
    (event,) = daemon.of("RecipientInDoubt")
    assert "stopped by us" in event["MESSAGE"]
    with pytest.raises(ProcessLookupError):
        signal.pidfd_send_signal(child, 0)
    os.close(child)
