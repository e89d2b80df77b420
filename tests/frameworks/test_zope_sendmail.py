# SPDX-License-Identifier: Apache-2.0
"""The real zope.sendmail on one side of a Maildir, the real daemon on the other."""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import transaction
from zope.sendmail.delivery import QueuedMailDelivery
from zope.sendmail.mailer import SMTPMailer
from zope.sendmail.queue import QueueProcessorThread

from maildropd.foreign.maildirs import forms
from maildropd.foreign.maildirs.writing import Maildir
from tests.fakes.actions import reply
from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.queue_stage import HOURS, Queue, aged, subject

TO = ["b@example.net", '"Doe, Jane" <c@example.net>']


@pytest.fixture
def queue(tmp_path: Path, server: SmtpServer) -> Iterator[Queue]:
    yield Queue(tmp_path, server)
    transaction.abort()


def message(number: int) -> bytes:
    return f"Subject: {number}\r\n\r\nnumber {number}\r\n".encode()


def send(queue: Queue, *numbers: int) -> None:
    """Queue mails, as an application of theirs does."""
    delivery = QueuedMailDelivery(str(queue.path))
    for number in numbers:
        delivery.send("a@example.org", TO, message(number))
    transaction.commit()


def processor(queue: Queue) -> QueueProcessorThread:
    """Return their sender, which sends to the same smarthost as ours."""
    found = QueueProcessorThread()
    found.setMailer(SMTPMailer("127.0.0.1", queue.server.port, no_tls=True))
    found.setQueuePath(str(queue.path))
    return found


def test_what_they_queue_we_deliver(queue: Queue) -> None:
    send(queue, 1)

    with queue.served() as daemon:
        send(queue, 2)
        daemon.wait_for("RecipientDelivered", 4)
        queue.until(lambda: queue.names() == queue.names("tmp") == [], "empty queue")

    one, _ = sorted(queue.server.delivered, key=lambda taken: subject(taken.content))
    assert one.mail.split()[1] == b"FROM:<a@example.org>"
    assert one.recipients == ("b@example.net", "c@example.net")
    assert one.content.endswith(message(1))


def test_a_maildir_that_its_writer_makes_later_is_found(queue: Queue) -> None:
    """Made by us, it would be closed to its writer, who would find no Maildir."""
    with queue.served() as daemon:
        daemon.wait_for("SpoolUnreachable")
        assert not queue.path.exists()

        send(queue, 1)

        assert queue.arrived(1) == {"1": 1}


def test_what_they_abort_is_nowhere(queue: Queue) -> None:
    delivery = QueuedMailDelivery(str(queue.path))
    delivery.send("a@example.org", TO, message(1))
    transaction.abort()
    send(queue, 2)

    with queue.served():
        assert queue.arrived(1) == {"2": 1}


def test_two_hundred_mails_with_both_at_work_go_once_each(queue: Queue) -> None:
    send(queue)
    theirs = processor(queue)
    numbers = range(200)
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            # It ends at a mail that goes while it lists them: also at its own kind.
            with suppress(FileNotFoundError):
                theirs.run(forever=False)

    send(queue, *numbers[:100])
    thread = threading.Thread(target=work)
    thread.start()
    try:
        with queue.served() as daemon:
            for number in numbers[100:]:
                send(queue, number)
            came = queue.arrived(200)
            queue.until(lambda: queue.names() == [], "empty directory")
            ours = daemon.count("MessageAccepted")
    finally:
        stopped.set()
        thread.join()

    assert came == Counter(str(number) for number in numbers)
    assert len(queue.server.delivered) == 200
    assert 0 < ours < 200  # else one of them had nothing to do


def test_what_they_began_and_never_finished_we_send_when_its_time_has_come(
    queue: Queue,
) -> None:
    """Their server was away: they leave it for three hours, and so do we."""
    send(queue, 1)
    queue.server.on("mail", reply("451 not now"))
    processor(queue).run(forever=False)
    queue.server.forget()
    mark, name = queue.names()
    assert mark == f".sending-{name}"

    with queue.served("sending_expiry = 1h\n") as daemon:
        send(queue, 2)
        assert queue.arrived(1) == {"2": 1}
        queue.until(lambda: queue.names() == [mark, name], "end of the second")
        aged(queue.path / "new" / mark, HOURS + 1)
        daemon.wait_for("SenderGone")
        assert queue.arrived(2) == {"1": 1, "2": 1}
        queue.until(lambda: queue.names() == [], "empty directory")


def test_what_was_refused_for_good_stays_as_they_left_it(queue: Queue) -> None:
    send(queue, 1)
    queue.server.on("mail", reply("550 never"))
    processor(queue).run(forever=False)
    queue.server.forget()
    (rejected,) = queue.names()
    assert rejected.startswith(".rejected-")

    with queue.served():
        send(queue, 2)
        assert queue.arrived(1) == {"2": 1}

    assert queue.names() == [rejected]


def test_their_sender_leaves_alone_what_we_have(queue: Queue) -> None:
    """While our smarthost hangs we hold what is not stored; here it is our mark."""
    send(queue, 1)
    (name,) = queue.names()
    (queue.path / "new" / f".sending-{name}").touch()

    processor(queue).run(forever=False)
    assert queue.server.delivered == []

    with queue.served():
        assert queue.arrived(1) == {"1": 1}
        queue.until(lambda: queue.names() == [], "empty directory")


def test_mail_of_a_copied_site_is_held_until_it_is_released(queue: Queue) -> None:
    send(queue, 1)

    with queue.served("hold = yes\n") as daemon:
        (accepted,) = daemon.wait_for("MessageAccepted")
        queue_id = accepted["MAILDROP_QUEUE_ID"]
        shown = daemon.control("queue").stdout
        assert "hold" in shown
        queue.until(lambda: queue.names() == [], "empty directory")
        assert queue.server.delivered == []

        daemon.control("release", queue_id)
        assert queue.arrived(1) == {"1": 1}


def test_each_recipient_has_a_return_address_where_the_spool_says_so(
    queue: Queue,
) -> None:
    send(queue, 1)

    with queue.served("verp = yes\n") as daemon:
        daemon.wait_for("RecipientDelivered", 2)

    paths = {taken.mail.split()[1] for taken in queue.server.delivered}
    assert paths == {
        b"FROM:<a+b=example.net@example.org>",
        b"FROM:<a+c=example.net@example.org>",
    }


def test_what_we_queue_in_their_form_their_sender_delivers(queue: Queue) -> None:
    octets = b"Subject: ours\nFrom: a@example.org\n\nwritten by us\n"
    content = forms.zope("a@example.org", ["b@example.net", "c@example.net"], octets)
    Maildir(queue.path).write(content).commit()

    processor(queue).run(forever=False)

    (taken,) = queue.server.delivered
    assert taken.mail.split()[1].lower() == b"from:<a@example.org>"
    assert taken.recipients == ("b@example.net", "c@example.net")
    assert taken.content.split() == octets.split()  # their line ends are their own
    assert queue.names() == []


def test_what_we_write_is_what_they_would_have_written(queue: Queue) -> None:
    send(queue, 1)
    (file,) = (queue.path / "new").iterdir()
    theirs = file.read_bytes()

    message = theirs.split(b"\n", 2)[2]

    assert forms.zope("a@example.org", TO, message) == theirs
    assert len(file.name.split(".")) == 4


def test_a_daemon_that_is_killed_again_and_again_takes_each_mail_once(
    queue: Queue,
) -> None:
    """Held in the queue, they can be counted: each name and content is one mail."""
    send(queue, *range(100))

    with queue.served("hold = yes\n") as daemon:
        for left in (80, 50, 20):
            # By what lies there: what it says of the last ones dies with it.
            queue.until(partial(at_most, queue, left), "progress")
            daemon.kill()
            daemon.start()
        queue.until(lambda: queue.names() == [], "empty directory")
        stored = daemon.control("queue", "--json").stdout
    ids = set(re.findall(r'"id": ?"(\w{12})"', stored))

    assert len(ids) == 100


def at_most(queue: Queue, number: int) -> bool:
    return len(queue.names()) <= number
