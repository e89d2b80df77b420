# SPDX-License-Identifier: Apache-2.0
"""The mailers of zope.sendmail, repoze.sendmail and gs.email: what they say to whom."""

import smtplib
import socket
import ssl
import stat
import sys
from pathlib import Path

import pytest

from maildropd.foreign.maildirs.command import (
    SendmailCommandReturnedNonZero,
    SendmailMailer,
)
from maildropd.foreign.maildirs.mailers import SMTPMailer
from tests.fakes.actions import reply
from tests.fakes.certificates import certificates
from tests.fakes.smtp_server import SmtpServer

TO = ["b@example.net", "c@example.net"]
MESSAGE = b"Subject: 1\n\nhello\n.\n"
_SCRIPT = """\
#!{python} -IS
import sys
with open({heard!r}, "wb") as file:
    file.write(b"\\0".join(word.encode() for word in sys.argv[1:]) + b"\\0\\0")
    file.write(sys.stdin.buffer.read())
sys.exit({code})
"""


def sendmail(folder: Path, code: int = 0) -> Path:
    """Make a command that writes down what it is told, and ends as it should."""
    path, heard = folder / "sendmail", f"{folder / 'heard'}"
    path.write_text(_SCRIPT.format(python=sys.executable, heard=heard, code=code))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def heard(folder: Path) -> tuple[list[str], bytes]:
    words, _, message = (folder / "heard").read_bytes().partition(b"\0\0")
    return words.decode().split("\0"), message


def test_sendmail_is_told_the_recipients_and_not_to_look_for_others(
    tmp_path: Path,
) -> None:
    """The original said -t as well, so those in the header got it, too."""
    SendmailMailer(str(sendmail(tmp_path))).send("a@x", ["-b@x", "$(c)@x"], MESSAGE)

    words, message = heard(tmp_path)
    assert words == ["-i", "-f", "a@x", "--", "-b@x", "$(c)@x"]
    assert message == MESSAGE


def test_without_recipients_sendmail_looks_for_them(tmp_path: Path) -> None:
    SendmailMailer(str(sendmail(tmp_path))).send(None, None, MESSAGE)

    assert heard(tmp_path)[0] == ["-i", "-f", "<>", "-t"]


def test_a_template_is_filled_word_by_word(tmp_path: Path) -> None:
    template = ["{sendmail_app}", "-oi", "-f{sender}"]
    mailer = SendmailMailer(str(sendmail(tmp_path)), template)

    mailer.send("a b@x", TO, MESSAGE)

    assert heard(tmp_path)[0] == ["-oi", "-fa b@x", *TO]
    with pytest.raises(ValueError, match="would be an option"):
        mailer.send("a@x", ["-t"], MESSAGE)


def test_a_command_that_fails_is_an_error_with_its_code(tmp_path: Path) -> None:
    with pytest.raises(SendmailCommandReturnedNonZero) as caught:
        SendmailMailer(str(sendmail(tmp_path, code=75))).send("a@x", TO, MESSAGE)

    assert caught.value.returncode == 75


def test_line_ends_are_those_of_the_wire(server: SmtpServer) -> None:
    SMTPMailer("127.0.0.1", server.port).send("a@x", TO, MESSAGE)

    assert server.delivered[0].content == MESSAGE.replace(b"\n", b"\r\n")


def test_encryption_is_used_where_it_is_offered_whatever_the_certificate() -> None:
    with SmtpServer(tls=certificates().server("wrong-name")) as server:
        SMTPMailer("127.0.0.1", server.port).send("a@x", TO, MESSAGE)
        SMTPMailer("127.0.0.1", server.port, no_tls=True).send("a@x", TO, MESSAGE)

        assert [taken.encrypted for taken in server.delivered] == [True, False]


@pytest.mark.parametrize("implicit", [False, True])
def test_encryption_that_is_required_is_worth_something(*, implicit: bool) -> None:
    context = certificates().server("good")
    known = ssl.create_default_context(cafile=certificates().ca)
    with SmtpServer(tls=context, implicit=implicit) as server:
        strict = SMTPMailer(
            "localhost", server.port, force_tls=not implicit, implicit_tls=implicit
        )
        with pytest.raises(ssl.SSLError):
            strict.send("a@x", TO, MESSAGE)
        strict.context = known
        strict.send("a@x", TO, MESSAGE)

        (taken,) = server.delivered
        assert taken.encrypted


def test_a_server_that_knows_only_helo_is_spoken_to(server: SmtpServer) -> None:
    server.on("ehlo", reply("502 what"))

    SMTPMailer("127.0.0.1", server.port).send("a@x", TO, MESSAGE)

    assert len(server.delivered) == 1


def test_a_vote_finds_out_that_a_server_is_of_no_use(server: SmtpServer) -> None:
    server.on("ehlo", reply("502 what"))
    server.on("helo", reply("502 what"))
    mailer = SMTPMailer("127.0.0.1", server.port)

    with pytest.raises(smtplib.SMTPHeloError):
        mailer.vote("a@x", TO, MESSAGE)
    mailer.abort()
    mailer.abort()


def test_who_was_refused_beside_others_is_returned(server: SmtpServer) -> None:
    server.on("rcpt", reply("550 never"), matching="c@")

    refused = SMTPMailer("127.0.0.1", server.port).send("a@x", TO, MESSAGE)

    assert dict(refused) == {"c@example.net": (550, b"never")}


def test_a_password_goes_in_clear_to_this_host_only_unless_that_is_wanted() -> None:
    elsewhere = socket.create_server(("127.0.0.2", 0))
    with SmtpServer(users={"me": "secret"}, listener=elsewhere) as server:
        away = SMTPMailer("127.0.0.2", server.port, "me", "secret")
        with pytest.raises(RuntimeError, match="in clear"):
            away.send("a@x", TO, MESSAGE)
        assert "AUTH" not in server.verbs()
        assert "secret" not in repr(away)

        away.no_tls = True
        away.send("a@x", TO, MESSAGE)
        assert server.delivered[0].user == "me"


def test_required_encryption_that_is_missing_is_an_error(
    server: SmtpServer,
) -> None:
    strict = SMTPMailer("127.0.0.1", server.port, force_tls=True)

    with pytest.raises(RuntimeError, match="TLS is not available"):
        strict.send("a@x", TO, MESSAGE)
    assert server.ledger == []


def test_a_server_that_refuses_everybody_is_an_error(server: SmtpServer) -> None:
    server.on("rcpt", reply("550 never"))

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        SMTPMailer("127.0.0.1", server.port).send("a@x", TO, MESSAGE)
