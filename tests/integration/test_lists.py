# SPDX-License-Identifier: Apache-2.0
"""Lists and old servers, with the real daemon: what is asked for at a door goes out."""

import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.actions import reply
from tests.fakes.mail_reader import seen
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess
from tests.integration.test_doors import sendmail, submission

SENDER = "bounces@lists.example.org"
NAMES = [f"u{number}@example.net" for number in range(25)]
EIGHT = "Subject: Grüße\n\nGrüße an alle, die hier herumstehen\n".encode()
MINE = "[submission]\ncheck_senders = no\n"


@pytest.fixture
def old() -> Iterator[SmtpServer]:
    """Serve as a smarthost that knows nothing but SIZE and PIPELINING."""
    with SmtpServer(extensions=("PIPELINING", "SIZE 26214400")) as server:
        yield server


@pytest.fixture
def lists() -> Iterator[SmtpServer]:
    """Serve as one that makes return addresses, and notifies."""
    with SmtpServer(extensions=("PIPELINING", "XVERP", "DSN")) as server:
        yield server


def started(tmp_path: Path, server: SmtpServer, config: str = MINE) -> DaemonProcess:
    return DaemonProcess(tmp_path, server.port, config).start()


def from_smtp(daemon: DaemonProcess, options: list[str], wishes: list[str]) -> None:
    with submission(daemon) as client:
        client.sendmail(SENDER, NAMES[:3], "Subject: s\n\nhi\n", options, wishes)


def test_each_recipient_of_a_list_has_a_return_address(
    tmp_path: Path, old: SmtpServer
) -> None:
    daemon = started(tmp_path, old)
    try:
        with submission(daemon) as client:
            assert client.has_extn("xverp") or client.ehlo()
            client.sendmail(SENDER, NAMES, "Subject: s\n\nhi\n", ["XVERP"])
        daemon.wait_for("RecipientDelivered", 25)
        [first, *_] = old.delivered
        said = daemon.control("verp", "bounces+u0=example.net@lists.example.org")
    finally:
        daemon.stop()

    paths = {taken.mail.split()[1]: taken.recipients for taken in old.delivered}
    assert paths == {
        f"FROM:<bounces+{name.replace('@', '=')}@lists.example.org>".encode(): (name,)
        for name in NAMES
    }
    assert first.content.endswith(b"\r\n\r\nhi\r\n")
    assert said.stdout == f"{SENDER}\nu0@example.net\n"


def test_a_server_that_makes_them_is_asked_to(
    tmp_path: Path, lists: SmtpServer
) -> None:
    daemon = started(tmp_path, lists)
    try:
        sent = sendmail(daemon, "-XV-=", "-f", SENDER, "--", *NAMES)
        daemon.wait_for("RecipientDelivered", 25)
    finally:
        daemon.stop()

    assert sent.returncode == 0, sent.stderr
    [taken] = lists.delivered
    assert taken.mail == f"MAIL FROM:<{SENDER}> XVERP=-=\r\n".encode()
    assert taken.recipients == tuple(NAMES)


def test_wishes_for_notifications_go_on_to_the_next_host(
    tmp_path: Path, lists: SmtpServer
) -> None:
    daemon = started(tmp_path, lists)
    try:
        wishes = ["NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;x+2By@example.net"]
        from_smtp(daemon, ["RET=HDRS", "ENVID=Q+2B1"], wishes)
        daemon.wait_for("RecipientDelivered", 3)
    finally:
        daemon.stop()

    [taken] = lists.delivered
    assert taken.mail == f"MAIL FROM:<{SENDER}> RET=HDRS ENVID=Q+2B1\r\n".encode()
    said = f"RCPT TO:<u0@example.net> {' '.join(wishes)}\r\n".encode()
    assert said in lists.heard


def test_letters_beyond_ascii_arrive_at_a_server_from_before(
    tmp_path: Path, old: SmtpServer
) -> None:
    daemon = started(tmp_path, old)
    try:
        sent = sendmail(daemon, "-f", SENDER, NAMES[0], message=EIGHT)
        daemon.wait_for("RecipientDelivered")
    finally:
        daemon.stop()

    assert sent.returncode == 0, sent.stderr
    [taken] = old.delivered
    [mail] = seen(taken.content)
    assert taken.content.isascii()
    assert mail.text.decode() == "Grüße an alle, die hier herumstehen\r\n"
    assert ("subject", "Grüße") in mail.fields


def test_signed_letters_do_not_and_are_told_why(
    tmp_path: Path, old: SmtpServer
) -> None:
    daemon = started(tmp_path, old)
    try:
        signed = b"DKIM-Signature: v=1; d=example.org\n" + EIGHT
        sendmail(daemon, "-f", SENDER, NAMES[0], message=signed)
        [failed] = daemon.wait_for("RecipientFailed")
        old.wait(lambda server: bool(server.delivered), 30)
    finally:
        daemon.stop()

    assert failed["MAILDROP_DSN"] == "5.6.3"
    assert "signed" in failed["MAILDROP_REPLY"]
    [bounce] = old.delivered
    assert bounce.mail.startswith(b"MAIL FROM:<> ")
    assert b"it is signed" in b" ".join(bounce.content.split())


def test_a_bounce_of_a_list_says_by_its_address_whom_it_is_about(
    tmp_path: Path, old: SmtpServer
) -> None:
    old.on("rcpt", reply("550 5.1.1 unknown"), matching="TO:<u1@example.net>")
    daemon = started(tmp_path, old)
    try:
        sendmail(daemon, "-XV", "-f", SENDER, "--", *NAMES[:3])
        old.wait(lambda server: len(server.delivered) == 3, 30)
    finally:
        daemon.stop()

    returned = [one.recipients for one in old.delivered if b"FROM:<>" in one.mail]
    assert returned == [("bounces+u1=example.net@lists.example.org",)]


def send_ten_at_a_time(folder: Path, server: SmtpServer, more: str = "") -> None:
    daemon = DaemonProcess(folder, server.port)
    with (folder / "maildropd.conf").open("a") as file:
        file.write(f"{MINE}[relay smarthost]\nmax_recipients = 10\n{more}")
    daemon.start()
    try:
        sendmail(daemon, "-f", SENDER, "--", *NAMES)
        daemon.wait_for("RecipientDelivered", 25)
    finally:
        daemon.stop()


def test_recipients_go_as_many_at_a_time_as_was_said(
    tmp_path: Path, server: SmtpServer
) -> None:
    send_ten_at_a_time(tmp_path, server)

    counts = sorted(len(taken.recipients) for taken in server.delivered)
    assert counts == [5, 10, 10]
    named = [path for taken in server.delivered for path in taken.recipients]
    assert sorted(named) == sorted(NAMES)


def test_a_message_to_many_takes_one_connection_where_the_server_wants_it_slow(
    tmp_path: Path, server: SmtpServer
) -> None:
    send_ten_at_a_time(tmp_path, server, "wait_interval = 10ms\n")

    assert [len(taken.recipients) for taken in server.delivered] == [10, 10, 5]
    assert server.connections == 1


def test_a_null_sender_cannot_have_return_addresses(
    tmp_path: Path, server: SmtpServer
) -> None:
    daemon = started(tmp_path, server)
    try:
        with submission(daemon) as client, pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("", NAMES[:1], "Subject: s\n\nhi\n", ["XVERP"])
        sent = sendmail(daemon, "-XV", "-f", "", NAMES[0])
    finally:
        daemon.stop()

    assert sent.returncode == 64
    assert b"-XV needs a sender" in sent.stderr
