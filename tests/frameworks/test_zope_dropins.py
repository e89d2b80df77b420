# SPDX-License-Identifier: Apache-2.0
"""Our classes in place of zope.sendmail's and repoze.sendmail's, by their calls."""

import errno
import logging
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from pathlib import Path

import pytest
import transaction
from repoze.sendmail import delivery as repoze
from repoze.sendmail.encoding import encode_message
from zope.sendmail import delivery as zope
from zope.sendmail.mailer import SMTPMailer as TheirMailer
from zope.sendmail.queue import QueueProcessorThread as TheirProcessor

from maildropd.foreign.maildirs import writing
from maildropd.foreign.maildirs.cleaning import clean
from maildropd.foreign.maildirs.messages import flat
from maildropd.integrations.zope_sendmail import (
    DirectMailDelivery,
    Maildir,
    QueuedMailDelivery,
    QueueProcessor,
    QueueProcessorThread,
    SMTPMailer,
    XVERPSMTPMailer,
)
from tests.fakes.actions import reply
from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.managers import LAST, Other, Refused, refuse
from tests.frameworks.queue_stage import Queue

TO = ["b@example.net", "c@example.net"]
MESSAGE = b"Message-Id: <1@x>\r\nSubject: 1\r\n\r\nhello\r\n"


@pytest.fixture
def queue(tmp_path: Path, server: SmtpServer) -> Iterator[Queue]:
    yield Queue(tmp_path, server)
    transaction.abort()


def delivery(queue: Queue) -> QueuedMailDelivery:
    return QueuedMailDelivery(str(queue.path))


def mailer(queue: Queue) -> SMTPMailer:
    return SMTPMailer("127.0.0.1", queue.server.port, None, None, True)


def message(number: int) -> bytes:
    return b"Subject: %d\r\n\r\nnumber %d\r\n" % (number, number)


def test_a_mail_is_queued_as_theirs_is_when_the_transaction_commits(
    queue: Queue, tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    QueuedMailDelivery(str(ours)).send("a@example.org", TO, MESSAGE)
    zope.QueuedMailDelivery(str(theirs)).send("a@example.org", TO, MESSAGE)
    assert not ours.exists()  # nothing before the vote

    transaction.commit()

    (mine,), (other,) = (ours / "new").iterdir(), (theirs / "new").iterdir()
    assert mine.read_bytes() == other.read_bytes()
    assert mine.stat().st_mode == other.stat().st_mode


def test_an_object_is_queued_as_repoze_sendmail_does(tmp_path: Path) -> None:
    def made() -> "Message[str, str]":
        one = MIMEText("Gr\u00fc\u00dfe \u20ac\n", _charset="utf-8")
        one["Subject"] = "Gr\u00fc\u00dfe"
        one["From"] = '"J\u00f6rg, der" <a@example.org>'
        one["Message-Id"], one["Date"] = "<1@x>", "Mon, 19 May 2003 10:17:36 -0400"
        return one

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    said = QueuedMailDelivery(str(ours)).send("a@example.org", TO, made())
    other = repoze.QueuedMailDelivery(str(theirs)).send("a@example.org", TO, made())
    transaction.commit()

    assert said == other == "<1@x>"
    (mine,), (their,) = (ours / "new").iterdir(), (theirs / "new").iterdir()
    assert mine.read_bytes() == their.read_bytes()


@pytest.mark.parametrize(
    "text", ["plain", "Gr\u00fc\u00dfe", "\u20ac 5", "From here\n", "a" * 2000, ""]
)
@pytest.mark.parametrize("kind", [MIMEText, MIMEMultipart])
def test_headers_and_texts_get_the_charset_that_theirs_get(
    kind: type, text: str
) -> None:
    def made() -> "Message[str, str]":
        one: Message[str, str] = Message()
        one.set_payload(text)
        if kind is MIMEMultipart:
            whole = MIMEMultipart(boundary="b")
            whole.attach(one)
            one["Content-Disposition"] = 'attachment; filename="x\u00fc.txt"'
            one = whole
        one["To"] = '"B\u00fccher, \u20ac" <b@example.net>, c@example.net'
        one["Subject"] = text.strip()[:60]
        return one

    mine = made()
    clean(mine)

    assert flat(mine) == encode_message(made()).replace(b"\n>From", b"\nFrom")


def test_a_parameter_that_is_encoded_already_stays_so() -> None:
    """At this the original ends with an error of Python's."""
    one: Message[str, str] = Message()
    one.add_header("Content-Disposition", "attachment", filename="x\u00fc.txt")
    before = flat(one)

    clean(one)

    assert flat(one) == before


def test_the_message_id_is_as_theirs(queue: Queue) -> None:
    made = delivery(queue).send("a@x", TO, b"Subject: s\n\nhi\n")
    assert re.fullmatch(r"\d{14}\.\d+\.\d+@[^<>]+", made)
    assert delivery(queue).send("a@x", TO, MESSAGE) == "1@x"
    assert delivery(queue).send("a@x", TO, "Message-ID: <2@\u00fc>\n\n") == "2@\u00fc"
    with pytest.raises(ValueError, match="Malformed Message-Id"):
        delivery(queue).send("a@x", TO, b"Message-Id: 3@x\n\nhi\n")

    transaction.commit()
    files = [path.read_bytes() for path in (queue.path / "new").iterdir()]
    assert any(f"\nMessage-Id: <{made}>\nSubject: s\n".encode() in f for f in files)
    assert len(files) == 3


def test_an_object_of_the_newer_kind_is_taken_too(queue: Queue) -> None:
    one = EmailMessage()
    one["Subject"] = "Gr\u00fc\u00dfe"
    one.set_content("\u20ac\n")

    said = delivery(queue).send("a@x", TO, one)
    transaction.commit()

    assert said.startswith("<")
    assert said.endswith(">")
    assert len(queue.names()) == 1


def test_what_is_aborted_or_rolled_back_leaves_nothing(queue: Queue) -> None:
    delivery(queue).send("a@example.org", TO, message(1))
    transaction.abort()
    delivery(queue).send("a@example.org", TO, message(2))
    savepoint = transaction.savepoint()
    delivery(queue).send("a@example.org", TO, message(3))
    savepoint.rollback()
    delivery(queue).send("a@example.org", TO, message(4))
    transaction.commit()

    with queue.served():
        assert queue.arrived(2) == {"2": 1, "4": 1}
    assert queue.names("tmp") == []


def test_a_disk_that_is_full_stops_the_commit(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found out at the vote, when the databases can still go back."""

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    delivery(queue).send("a@example.org", TO, MESSAGE)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            transaction.commit()
    transaction.abort()

    assert queue.names() == queue.names("tmp") == []


def test_what_another_votes_down_after_us_leaves_nothing(queue: Queue) -> None:
    """By then the mail is on the disk, and has to go."""
    seen: list[str] = []

    def late() -> None:
        seen.extend(queue.names("tmp"))
        refuse()

    delivery(queue).send("a@example.org", TO, MESSAGE)
    transaction.get().join(Other(LAST, tpc_vote=late))
    with pytest.raises(Refused):
        transaction.commit()
    transaction.abort()

    assert len(seen) == 1
    assert queue.names() == queue.names("tmp") == []


def test_what_fails_when_others_have_committed_is_told_and_no_more(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd:
        def send(self, *_: object) -> None:
            raise ArithmeticError("odd")

    DirectMailDelivery(Odd()).send("a@example.org", TO, MESSAGE)
    with caplog.at_level(logging.ERROR):
        transaction.commit()

    assert "mail could not be sent" in caplog.text


def test_a_hook_after_the_commit_does_no_harm(queue: Queue) -> None:
    """It has the transaction aborted once more; the original raised then."""
    done: list[bool] = []
    delivery(queue).send("a@example.org", TO, MESSAGE)
    transaction.get().addAfterCommitHook(done.append)

    transaction.commit()

    assert done == [True]
    assert len(queue.names()) == 1


def test_direct_delivery_asks_the_server_before_the_commit(queue: Queue) -> None:
    direct = DirectMailDelivery(mailer(queue))
    direct.send("a@example.org", TO, message(1))
    transaction.commit()
    assert queue.arrived(1) == {"1": 1}

    DirectMailDelivery(SMTPMailer("127.0.0.1", 1)).send("a@x", TO, message(2))
    with pytest.raises(ConnectionRefusedError):
        transaction.commit()
    transaction.abort()


def test_theirs_and_ours_send_two_hundred_mails_once_each(queue: Queue) -> None:
    for number in range(200):
        delivery(queue).send("a@example.org", TO, message(number))
    transaction.commit()
    theirs = TheirProcessor()
    theirs.setMailer(TheirMailer("127.0.0.1", queue.server.port, no_tls=True))
    theirs.setQueuePath(str(queue.path))
    ours = QueueProcessorThread(interval=0.01)
    ours.setMailer(mailer(queue))
    ours.setQueuePath(str(queue.path))

    def work() -> None:
        while queue.names():
            try:
                theirs.run(forever=False)
            except FileNotFoundError:
                continue

    thread = threading.Thread(target=work)
    ours.start()
    thread.start()
    thread.join()
    ours.stop()

    came = queue.arrived(200)
    assert came == Counter(str(number) for number in range(200))
    assert len(queue.server.delivered) == 200


@pytest.mark.parametrize("code", ["550 never", "554 never"])
def test_what_is_refused_for_good_is_kept_aside(queue: Queue, code: str) -> None:
    Maildir(queue.path)
    queue.server.on("mail", reply(code))
    delivery(queue).send("a@example.org", TO, MESSAGE)
    transaction.commit()
    (name,) = queue.names()

    QueueProcessor(mailer(queue), str(queue.path)).send_messages()

    assert queue.names() == [f".rejected-{name}"]


def test_what_fails_for_now_is_tried_again_and_leaves_no_mark(queue: Queue) -> None:
    """The original left its mark, and the mail was stuck for three hours."""
    queue.server.on("mail", reply("451 later"))
    delivery(queue).send("a@example.org", TO, message(1))
    transaction.commit()
    before = queue.names()

    QueueProcessor(mailer(queue), str(queue.path)).send_messages()
    assert queue.names() == before
    queue.server.forget()
    QueueProcessor(mailer(queue), str(queue.path)).send_messages()

    assert queue.arrived(1) == {"1": 1}
    assert queue.names() == []


def test_who_is_refused_beside_others_is_not_forgotten(queue: Queue) -> None:
    queue.server.on("rcpt", reply("550 never"), matching="c@")
    queue.server.on("rcpt", reply("450 later"), matching="d@")
    delivery(queue).send("a@example.org", [*TO, "d@example.net"], message(1))
    transaction.commit()

    QueueProcessor(mailer(queue), str(queue.path)).send_messages()
    rejected, later = sorted(queue.names())
    assert rejected.startswith(".rejected-")
    assert b"X-Zope-To: c@example.net\n" in (queue.path / "new" / rejected).read_bytes()
    queue.server.forget()
    QueueProcessor(mailer(queue), str(queue.path)).send_messages()

    assert [taken.recipients for taken in queue.server.delivered] == [
        ("b@example.net",),
        ("d@example.net",),
    ]
    assert queue.names() == [rejected]
    assert not (queue.path / "new" / later).exists()


def test_what_is_no_mail_is_kept_aside(queue: Queue) -> None:
    file = writing.Maildir(queue.path).write(b"nothing\n")
    file.commit()

    QueueProcessor(mailer(queue), str(queue.path)).send_messages()

    assert queue.names() == [f".rejected-{file.path.name}"]


@pytest.mark.parametrize("extensions", [("SIZE",), ("SIZE", "XVERP")])
def test_each_recipient_has_a_return_address(extensions: tuple[str, ...]) -> None:
    """By the server where it can, else by ourselves."""
    with SmtpServer(extensions=extensions) as server:
        XVERPSMTPMailer("127.0.0.1", server.port).send("l@x.example", TO, MESSAGE)
        paths = [taken.mail.lower() for taken in server.delivered]

    if "XVERP" in extensions:
        (path,) = paths
        assert path.startswith(b"mail from:<l@x.example>")
        assert path.rstrip().endswith(b" xverp")
    else:
        assert [path.split()[1] for path in paths] == [
            b"from:<l+b=example.net@x.example>",
            b"from:<l+c=example.net@x.example>",
        ]


def test_they_need_nothing_but_the_package_transaction() -> None:
    """An application's environment has neither compiler nor systemd's libraries."""
    code = (
        "import sys, maildropd.integrations.zope_sendmail;"
        "print({'systemd', 'pyinotify', 'dns', 'dkim', 'daemon'} & {*sys.modules})"
    )

    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )

    assert said.stdout.strip() == "set()"


def test_the_same_path_is_used_after_a_fork(queue: Queue) -> None:
    """Names have the number of the process that writes, and not of its parent."""
    delivery(queue).send("a@example.org", TO, message(1))
    child = os.fork()
    if child == 0:
        os._exit(0 if _commits() else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    (name,) = queue.names()
    assert name.split(".")[1] == str(child)


def _commits() -> bool:
    transaction.commit()
    return True
