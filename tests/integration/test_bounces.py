# SPDX-License-Identifier: Apache-2.0
"""What senders hear of mail that fails, from the real daemon, through a real server."""

import signal
import smtplib
import socket
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.fakes.actions import drop, reply
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess
from tests.integration.test_doors import sendmail
from tests.unit.bounce.reading import Read, read

ANN = "ann@example.org"
FAST = "[queue]\nfirst_retry = 1s\n[submission]\ncheck_senders = no\n"
MAIL = b"Subject: n%d\r\nMessage-ID: <n%d@example.org>\r\n\r\nbody\r\n"

Options = dict[str, Sequence[str]]


def submit(
    daemon: DaemonProcess, recipients: Options, *words: str, number: int = 1
) -> None:
    """Hand a message over by SMTP, with what is wanted for each recipient."""

    class Local(smtplib.SMTP):
        def _get_socket(self, *_: object) -> socket.socket:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(30)
            connection.connect(str(daemon.folder / "run/submission"))
            return connection

    with Local("local", local_hostname="client.test") as client:
        client.ehlo()
        assert client.mail(ANN, words)[0] == 250
        for path, options in recipients.items():
            assert client.rcpt(path, options)[0] == 250
        assert client.data(MAIL % (number, number))[0] == 250


def reports(server: SmtpServer, count: int = 1) -> list[Read]:
    """Wait for so many reports; return all, each once."""
    server.wait(lambda _: len(found(server)) >= count, 30)
    return [read(octets) for octets in found(server)]


def found(server: SmtpServer) -> set[bytes]:
    taken = [each for each in server.delivered if b"<>" in each.mail]
    return {each.content.replace(b"\r\n", b"\n") for each in taken}


@pytest.fixture
def ready(daemon: DaemonProcess, server: SmtpServer) -> DaemonProcess:
    """Run, before a server that knows nobody whose name begins with bad."""
    server.on("rcpt", reply("550 5.1.1 no such user here"), matching="<bad")
    daemon.configure(FAST)
    return daemon.start()


def test_one_of_three_is_refused_and_the_sender_hears_of_that_one(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    """Peers bounce all three, or say nothing; MaildropHost forgot the refused."""
    submit(ready, {"good@x.example": (), "bad@x.example": (), "fine@x.example": ()})
    ready.wait_for("MessageDone", 2)

    (report,) = reports(server)

    assert [each["Final-Recipient"] for each in report.recipients] == [
        "rfc822; bad@x.example"
    ]
    said = report.recipients[0]["Diagnostic-Code"]
    assert said == "smtp; 550 5.1.1 no such user here (in reply to RCPT)"
    assert report.head["In-Reply-To"] == "<n1@example.org>"
    assert report.original.startswith(b"Received:")
    assert b"\nSubject: n1\n" in report.original
    assert b"body" not in report.original
    (taken,) = [each for each in server.delivered if b"<>" in each.mail]
    assert taken.recipients == (ANN,)
    assert taken.mail.startswith(b"MAIL FROM:<>")
    assert ready.control("queue").stdout == "the queue is empty\n"
    (bounced,) = ready.of("MessageBounced")
    (failed,) = ready.of("RecipientFailed")
    assert failed["MAILDROP_BOUNCE"] == bounced["MAILDROP_BOUNCE"]


def test_envid_orcpt_and_ret_come_back(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    orcpt = ("ORCPT=rfc822;Bad+2Bx@x.example",)
    submit(ready, {"bad@x.example": orcpt}, "RET=FULL", "ENVID=QQ+2B1")

    (report,) = reports(server)

    assert report.message["Original-Envelope-Id"] == "QQ+1"
    assert report.recipients[0]["Original-Recipient"] == "rfc822; Bad+x@x.example"
    assert report.kinds[2] == "message/rfc822"
    assert report.original.endswith(b"\n\nbody\n")


def test_a_signed_mail_that_a_7_bit_server_cannot_take_is_reported_through_it(
    tmp_path: Path,
) -> None:
    """The report held all of it, and so could not go there either."""
    signed = "DKIM-Signature: v=1\nSubject: x\n\nGr\u00fc\u00dfe\n".encode()
    with SmtpServer(extensions=("PIPELINING",)) as server:
        daemon = DaemonProcess(tmp_path, server.port, FAST).start()
        try:
            sendmail(daemon, "-R", "full", "-f", ANN, "bob@x.example", message=signed)
            (report,) = reports(server)
        finally:
            daemon.stop()

    assert report.kinds[2] == "text/rfc822-headers"
    assert b"\nSubject: x\n" in report.original


def test_who_wants_no_report_gets_none(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    submit(ready, {"bad1@x.example": ("NOTIFY=NEVER",), "bad2@x.example": ()})

    (report,) = reports(server)

    assert [each["Final-Recipient"] for each in report.recipients] == [
        "rfc822; bad2@x.example"
    ]
    listed = ready.control("queue").stdout
    assert "bad1@x.example" in listed
    assert "failed" in listed


def test_who_asks_hears_of_what_was_passed_on(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    """The server does not speak of DSN: nobody else would tell."""
    submit(ready, {"good@x.example": ("NOTIFY=SUCCESS",)})

    (report,) = reports(server)

    assert report.recipients[0]["Action"] == "relayed"


def test_a_report_that_fails_ends_there(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    """Two hosts that bounce at each other go on for weeks."""
    server.on("rcpt", reply("550 5.1.1 who?"), matching=f"<{ANN}")
    submit(ready, {"bad@x.example": ()})

    (told,) = ready.wait_for("NobodyToTell")

    assert len(ready.of("MessageBounced")) == 1
    shown = ready.control("show", told["MAILDROP_QUEUE_ID"]).stdout
    assert "sender      <>" in shown
    assert "submitter   bounce" in shown


def test_somebody_may_be_told_of_a_report_that_fails(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    ready.configure(f"{FAST}[bounces]\ndouble_bounces_to = ops@example.org\n")
    assert ready.control("reload").returncode == 0
    server.on("rcpt", reply("550 5.1.1 who?"), matching=f"<{ANN}")
    submit(ready, {"bad@x.example": ()})

    (report,) = reports(server)

    assert report.head["To"] == "<ops@example.org>"
    assert report.recipients[0]["Final-Recipient"] == f"rfc822; {ANN}"
    assert not ready.of("NobodyToTell")


def test_a_redirected_mail_bounces_to_who_got_it(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    """A staging host's contact form sends in the name of a customer."""
    section = "[submitter staging]\nredirect_to = baddev@example.org\n"
    ready.configure(FAST + section)
    assert ready.control("reload").returncode == 0
    submit(ready, {"customer@x.example": ()})

    ready.wait_for("NobodyToTell")

    (bounced,) = ready.of("MessageBounced")
    assert bounced["MAILDROP_SENDER"] == "baddev@example.org"
    assert not server.delivered


def test_a_server_that_cannot_be_reached_is_told_of_once(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    """Nothing is tried while the route is broken, and the sender hears all the same."""
    server.on("mail", reply("451 4.3.2 not now"), matching=f"<{ANN}>")
    slow = FAST.replace("first_retry", "delay_warning = 1s\nfirst_retry")
    ready.configure(slow)
    assert ready.control("reload").returncode == 0
    submit(ready, {"good@x.example": ()})

    (report,) = reports(server)

    assert report.recipients[0]["Action"] == "delayed"
    server.forget()
    ready.wait_for("MessageDone", 2)
    assert len(found(server)) == 1


def test_no_kill_loses_both_the_mail_and_its_report(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    """dma removes the original, then fails to write the bounce."""
    ready.configure(f"{FAST}[bounces]\nhourly_limit = 1000\n")
    assert ready.control("reload").returncode == 0
    for number in range(60):
        submit(ready, {f"bad{number}@x.example": ()}, number=number)
        if number % 10 == 9:
            ready.signal(signal.SIGKILL)
            ready.wait()
            ready.start()

    told = reports(server, 60)

    names = Counter(one.recipients[0]["Final-Recipient"] for one in told)
    assert set(names) == {f"rfc822; bad{number}@x.example" for number in range(60)}
    assert set(names.values()) == {1}


def test_a_cut_after_the_final_dot_is_listed_until_it_is_known(
    ready: DaemonProcess, server: SmtpServer
) -> None:
    """RFC 1047: taken or not, nobody knows; so it is sent again, as the same mail."""
    server.on("dot", drop(), times=1)
    ready.configure(FAST.replace("1s", "1h"))
    assert ready.control("reload").returncode == 0
    submit(ready, {"good@x.example": ()})
    (doubt,) = ready.wait_for("RecipientInDoubt")

    name = doubt["MAILDROP_QUEUE_ID"]
    assert f"{name} " in ready.control("queue", "--in-doubt").stdout
    assert "may have been delivered" in ready.control("show", name).stdout
    assert ready.control("flush").returncode == 0
    ready.wait_for("MessageDone")

    assert ready.control("queue", "--in-doubt").stdout == "nothing is in doubt\n"
    ids = [each.content.partition(b"Message-ID: ")[2][:16] for each in server.ledger]
    assert ids == [b"<n1@example.org>"] * 2
