# SPDX-License-Identifier: Apache-2.0
"""Too much of anything is refused with a code, and fills no memory while it comes."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.faults.door_stage import (
    CONFIG,
    DOORS,
    NOBODY,
    SENDMAIL,
    SMTP,
    Stage,
    opened,
)
from tests.faults.door_talk import HELLO, Answer, Mail, Talk, envelope, frame

MB = 1024 * 1024
LIMIT = 6 * MB
TEXT = b"\r\n" + (b"x" * 76 + b"\r\n") * 1000
RECEIVED = b"Received: from a.example by b.example; Thu, 1 Jan 1970 00:00:00 +0000\r\n"
MOST = 10_000
AT_ONCE = 12


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with opened(f"{CONFIG}[queue]\nmessage_size_limit = 6M\n") as stage:
        yield stage


def text(size: int) -> bytes:
    return TEXT * (size // len(TEXT))


def refused(door: str, answer: Answer, code: str, exit_code: str) -> None:
    words = f"{exit_code} " if door == SENDMAIL else code
    assert answer.words.startswith(words), answer.words


@pytest.mark.parametrize("door", SMTP)
def test_who_says_that_it_is_too_large_is_refused_at_once(
    stage: Stage, door: str
) -> None:
    with stage.connect(door) as talk:
        talk.say(HELLO)
        talk.replies(2)

        assert talk.asked(b"MAIL FROM:<> SIZE=%d\r\n" % LIMIT).startswith("250 ")
        assert talk.asked(b"RSET\r\n").startswith("250 ")
        for size in (LIMIT + 1, 10**19):
            said = talk.asked(b"MAIL FROM:<> SIZE=%d\r\n" % size)
            assert said.startswith("552 5.3.4 ")


@pytest.mark.parametrize("times", [1.2, 4])
@pytest.mark.parametrize("door", DOORS)
def test_who_does_not_say_so_is_cut_off_with_a_word(
    stage: Stage, door: str, times: float
) -> None:
    with stage.unharmed(), stage.nothing_taken():
        answer = stage.hand_over(door, Mail(content=text(int(times * LIMIT))))

    refused(door, answer, "552 5.3.4 ", "69")
    assert "message_size_limit" in answer.words


@pytest.mark.parametrize("door", SMTP)
def test_who_goes_on_for_ever_hears_it_and_is_left(stage: Stage, door: str) -> None:
    """A word that is said to one who only talks must not keep us."""
    with stage.unharmed(), stage.connect(door) as talk:
        talk.say(HELLO + envelope(Mail(content=b"")) + b"DATA\r\n")
        talk.replies(5)
        for _ in range(40):
            talk.say(text(MB))

        assert talk.rest()[-1].startswith("552 5.3.4 ")


@pytest.mark.parametrize("door", DOORS)
def test_as_many_recipients_as_there_may_be_are_taken(stage: Stage, door: str) -> None:
    with stage.unharmed():
        before = len(stage.daemon.of("RecipientDelivered"))

        path = stage.hand_marked(door, Mail(content=text(1), to=names(MOST - 1)))

        stage.arrives(path, seconds=60)
        stage.daemon.wait_for("RecipientDelivered", before + MOST)


@pytest.mark.parametrize("door", DOORS)
def test_one_more_is_refused(stage: Stage, door: str) -> None:
    with stage.unharmed(), stage.nothing_taken():
        answer = stage.hand_over(door, Mail(content=text(1), to=names(MOST + 1)))

    refused(door, answer, "452 4.5.3 ", "69")


def test_a_header_that_names_a_million_is_refused(stage: Stage) -> None:
    content = b"To: " + b",".join(names(300_000)) + b"\r\n\r\nx\r\n"
    mail = Mail(content=content, to=(), options=(b"-i", b"-t"))

    with stage.unharmed(), stage.nothing_taken():
        refused(SENDMAIL, stage.hand_over(SENDMAIL, mail), "", "69")


HEADERS = {
    "fields": b"X-Field: a value\r\n" * (5 * MB // 18),
    "one line": b"X-Field: " + b"x" * 5 * MB + b"\r\n",
    "folds": b"X-Field:" + b"\r\n x" * (5 * MB // 4) + b"\r\n",
    "authors": b"From: " + b"a@b.example," * (5 * MB // 12) + b"c@d.example\r\n",
}


@pytest.mark.parametrize("kind", HEADERS)
@pytest.mark.parametrize("door", DOORS)
def test_a_header_of_megabytes_is_refused(stage: Stage, door: str, kind: str) -> None:
    with stage.unharmed(), stage.nothing_taken():
        answer = stage.hand_over(door, Mail(content=HEADERS[kind] + b"\r\nx\r\n"))

    refused(door, answer, "554 5.6.0 ", "65")
    stage.names_the_culprit("header is larger than")


@pytest.mark.parametrize("door", DOORS)
def test_a_header_of_ten_megabytes_is_too_large_a_message(
    stage: Stage, door: str
) -> None:
    content = HEADERS["fields"] * 2 + b"\r\nx\r\n"

    with stage.unharmed(), stage.nothing_taken():
        answer = stage.hand_over(door, Mail(content=content))

    refused(door, answer, "552 5.3.4 ", "69")


@pytest.mark.parametrize("octets", [3 * MB, 5 * MB])
@pytest.mark.parametrize("door", DOORS)
def test_a_dozen_such_headers_at_once_take_no_more_memory(
    stage: Stage, door: str, octets: int
) -> None:
    field = b"X-Field: " + b"x" * 400 + b"\r\n"
    content = field * (octets // len(field)) + b"\r\nx\r\n"
    with stage.unharmed(), ExitStack() as stack:
        talks = [stack.enter_context(stage.connect(door)) for _ in range(AT_ONCE)]
        for talk in talks:
            say_all_but_the_end(talk, door, content)
        for talk in talks:
            talk.say(b"0\n" if door == SENDMAIL else b".\r\n")
        answers = [talk.reply() if door in SMTP else said(talk) for talk in talks]

    if octets < 4 * MB:
        assert {each[:2] for each in answers} <= {"25", "0 "}
    else:
        assert {each[:2] for each in answers} <= {"55", "65"}


def say_all_but_the_end(talk: Talk, door: str, content: bytes) -> None:
    if door == SENDMAIL:
        mail = frame(b"sendmail", b"-i", b"--", b"bob@example.net", content=content)
        talk.say(mail.removesuffix(b"0\n"))
        return
    talk.say(HELLO + envelope(Mail(content=content)) + b"DATA\r\n")
    assert talk.replies(5)[-1].startswith("354 ")
    talk.say(content)


def said(talk: Talk) -> str:
    return talk.all_of_it().decode()


@pytest.mark.parametrize("door", DOORS)
def test_what_goes_round_is_stopped(stage: Stage, door: str) -> None:
    content = RECEIVED * 100 + b"Subject: s\r\n\r\nx\r\n"

    with stage.nothing_taken():
        answer = stage.hand_over(door, Mail(content=content))

    refused(door, answer, "554 5.4.6 ", "69")
    stage.names_the_culprit("goes round", NOBODY)


@pytest.mark.parametrize("door", DOORS)
def test_a_long_way_is_no_circle(stage: Stage, door: str) -> None:
    content = RECEIVED * 50 + b"Subject: s\r\n\r\nx\r\n"

    path = stage.hand_marked(door, Mail(content=content, to=()))

    assert stage.arrives(path).content.count(b"Received: ") == 50


def names(number: int) -> tuple[bytes, ...]:
    return tuple(b"name%d@example.net" % each for each in range(number))
