# SPDX-License-Identifier: Apache-2.0
"""The real repoze.sendmail on one side of a Maildir, the real daemon on the other."""

import gc
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from email.mime.text import MIMEText
from pathlib import Path

import pytest
import transaction
from repoze.sendmail.delivery import QueuedMailDelivery
from repoze.sendmail.mailer import SMTPMailer
from repoze.sendmail.queue import QueueProcessor

from maildropd.foreign.maildirs import forms
from maildropd.foreign.maildirs.writing import Maildir
from tests.fakes.actions import reply
from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.queue_stage import HOURS, Queue, aged

# Their mailer forgets its connection where something fails.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

MANY = [f"user{number}@department.example.net" for number in range(30)]


@pytest.fixture
def queue(tmp_path: Path, server: SmtpServer) -> Iterator[Queue]:
    yield Queue(tmp_path, server)
    transaction.abort()
    gc.collect()  # here, and not in somebody else's test


def message(number: int) -> "Message[str, str]":
    found = MIMEText(f"Gr\u00fc\u00dfe, number {number}\n", _charset="utf-8")
    found["Subject"] = str(number)
    found["From"] = "J\u00f6rg <a@example.org>"
    return found


def send(queue: Queue, *numbers: int, to: list[str] | None = None) -> None:
    """Queue mails, as an application of theirs does."""
    delivery = QueuedMailDelivery(str(queue.path))
    for number in numbers:
        delivery.send("a@example.org", to or ["b@example.net"], message(number))
    transaction.commit()


def processor(queue: Queue) -> QueueProcessor:
    """Return their sender, which sends to the same smarthost as ours."""
    mailer = SMTPMailer("127.0.0.1", queue.server.port, no_tls=True)
    return QueueProcessor(mailer, str(queue.path))


def test_what_they_queue_we_deliver(queue: Queue) -> None:
    """With so many recipients their field is folded, in many encoded words."""
    send(queue, 1, to=MANY)

    with queue.served() as daemon:
        daemon.wait_for("RecipientDelivered", len(MANY))
        queue.until(lambda: queue.names() == [], "empty directory")

    (taken,) = queue.server.delivered
    assert taken.mail.split()[1] == b"FROM:<a@example.org>"
    assert taken.recipients == tuple(MANY)
    assert b"X-Actually" not in taken.content
    assert b"Subject: 1\r\n" in taken.content


def test_two_hundred_mails_with_both_at_work_go_once_each(queue: Queue) -> None:
    """Theirs also tries to send whatever has a leading dot: our marks are empty."""
    numbers = range(200)
    send(queue, *numbers[:100])
    theirs = processor(queue)
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            # It ends at a mail that goes while it lists them: also at its own kind.
            with suppress(FileNotFoundError):
                theirs.send_messages()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with queue.served() as daemon:
            for number in numbers[100:]:
                send(queue, number)
            came = queue.arrived(200)
            stopped.set()
            thread.join()
            queue.until(lambda: queue.names() == [], "empty directory")
            ours = daemon.count("MessageAccepted")
    finally:
        stopped.set()
        thread.join()

    assert came == Counter(str(number) for number in numbers)
    assert len(queue.server.delivered) == 200
    assert 0 < ours < 200  # else one of them had nothing to do


def test_our_mark_keeps_their_sender_away(queue: Queue) -> None:
    send(queue, 1)
    (name,) = queue.names()
    (queue.path / "new" / f".sending-{name}").touch()

    processor(queue).send_messages()
    processor(queue).send_messages()
    assert queue.server.ledger == []

    with queue.served():
        assert queue.arrived(1) == {"1": 1}
        queue.until(lambda: queue.names() == [], "empty directory")
    assert len(queue.server.ledger) == 1


def test_what_they_began_and_never_finished_we_send_when_its_time_has_come(
    queue: Queue,
) -> None:
    send(queue, 1)
    queue.server.on("mail", reply("451 not now"))
    processor(queue).send_messages()
    queue.server.forget()
    mark, name = queue.names()
    assert mark == f".sending-{name}"

    with queue.served() as daemon:
        send(queue, 2)
        assert queue.arrived(1) == {"2": 1}
        queue.until(lambda: queue.names() == [mark, name], "end of the second")
        aged(queue.path / "new" / mark, 3 * HOURS + 1)
        daemon.wait_for("SenderGone")
        assert queue.arrived(2) == {"1": 1, "2": 1}
        queue.until(lambda: queue.names() == [], "empty directory")


def test_what_was_refused_for_good_stays_as_they_left_it(queue: Queue) -> None:
    send(queue, 1)
    queue.server.on("mail", reply("550 never"))
    processor(queue).send_messages()
    queue.server.forget()
    (rejected,) = queue.names()
    assert rejected.startswith(".rejected-")

    with queue.served():
        send(queue, 2)
        assert queue.arrived(1) == {"2": 1}

    assert queue.names() == [rejected]


def test_what_we_queue_in_their_form_their_sender_delivers(queue: Queue) -> None:
    octets = b"Subject: ours\nFrom: a@example.org\n\nwritten by us\n"
    content = forms.repoze("a@example.org", ["b@example.net", "c@example.net"], octets)
    Maildir(queue.path).write(content).commit()

    processor(queue).send_messages()

    (taken,) = queue.server.delivered
    assert taken.mail.split()[1].lower() == b"from:<a@example.org>"
    assert taken.recipients == ("b@example.net", "c@example.net")
    assert b"Subject: ours\n" in taken.content
    assert taken.content.strip().endswith(b"written by us")
    assert queue.names() == []


def test_what_we_write_is_what_they_would_have_written(queue: Queue) -> None:
    send(queue, 1)
    (file,) = (queue.path / "new").iterdir()
    theirs = file.read_bytes()

    lines = theirs.splitlines(keepends=True)
    message = b"".join(one for one in lines if not one.startswith(b"X-Actually-"))

    assert forms.repoze("a@example.org", ["b@example.net"], message) == theirs


def test_a_folded_list_of_recipients_is_the_same_as_theirs(queue: Queue) -> None:
    send(queue, 1, to=MANY)
    (file,) = (queue.path / "new").iterdir()
    theirs = file.read_bytes()
    head, _, body = theirs.partition(b"X-Actually-From")
    message = head + b"\n" + body.partition(b"\n\n")[2]

    assert forms.repoze("a@example.org", MANY, message) == theirs
