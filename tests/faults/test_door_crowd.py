# SPDX-License-Identifier: Apache-2.0
"""One user who wants all of it gets his share, and all others are served.

Idle connections, slow ones, and ones that never hear: thousands of them, from
one uid.  Who comes as another gets in at each door, soon.
"""

import resource
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.faults.door_stage import (
    CONFIG,
    DOORS,
    OTHER,
    SENDMAIL,
    SMTP,
    TCP,
    UNIX,
    Stage,
    opened,
)
from tests.faults.door_talk import HELLO, Mail, Talk, envelope, frame

MANY = 5000
SHARE = 100
MB = 1024 * 1024
BEGUN = HELLO + envelope(Mail(content=b""))
WORDS = frame(b"sendmail", b"bob@example.net")[:-2]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (usual[1], usual[1]))
    with opened() as stage:
        yield stage
    resource.setrlimit(resource.RLIMIT_NOFILE, usual)


@contextmanager
def crowd(
    stage: Stage, door: str, number: int, said: bytes = b""
) -> Iterator[list[Talk]]:
    """Come so many times, say something, and stay."""
    with ExitStack() as stack:
        talks = []
        for _ in range(number):
            talk = stack.enter_context(stage.connect(door))
            talk.say(said)
            talks.append(talk)
        yield talks


def others_get_in(stage: Stage) -> None:
    for door in DOORS:
        stage.good(door, OTHER)
        stage.good(door, uid=0)


@pytest.mark.parametrize("door", DOORS)
def test_five_thousand_idle_connections_of_one_user_keep_no_other_out(
    stage: Stage, door: str
) -> None:
    with stage.unharmed(), crowd(stage, door, MANY):
        others_get_in(stage)


@pytest.mark.parametrize("said", [BEGUN, BEGUN + b"DATA\r\nSubject: s\r\n"])
@pytest.mark.parametrize("door", SMTP)
def test_a_thousand_that_have_begun_and_wait_keep_no_other_out(
    stage: Stage, door: str, said: bytes
) -> None:
    with stage.unharmed(), crowd(stage, door, 1000, said):
        others_get_in(stage)


@pytest.mark.parametrize(("door", "code"), [(UNIX, b"421 4.7.0 "), (SENDMAIL, b"75 ")])
def test_who_is_beyond_his_share_is_told_so(
    stage: Stage, door: str, code: bytes
) -> None:
    with crowd(stage, door, 3 * SHARE) as talks:
        said = talks[-1].all_of_it()

    assert said.startswith(code)
    assert b"too many connections of yours" in said
    stage.good(door)


@pytest.mark.parametrize(
    ("door", "said"),
    [
        (UNIX, BEGUN + b"DATA\r\n" + b"x" * 250_000),
        (TCP, BEGUN + b"DATA\r\n" + b"x" * 250_000),
        (SENDMAIL, WORDS + b"250000\n" + b"x" * 250_000),
        (SENDMAIL, frame(b"sendmail", b"x" * 1_900_000)[:1_900_000]),
        (UNIX, HELLO + b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<c@d>\r\n" * 5000),
        (TCP, HELLO + b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<c@d>\r\n" * 5000),
        (UNIX, b"NOOP " + b"x" * 4000),
        (TCP, b"NOOP " + b"x" * 4000),
    ],
    ids=range(8),
)
def test_a_share_of_connections_that_hold_much_takes_little_memory(
    stage: Stage, door: str, said: bytes
) -> None:
    with stage.unharmed(), crowd(stage, door, SHARE - 10, said):
        others_get_in(stage)


@pytest.mark.parametrize("door", SMTP)
def test_a_share_that_never_hears_takes_little_memory(stage: Stage, door: str) -> None:
    with stage.unharmed(), crowd(stage, door, SHARE - 10) as talks:
        for talk in talks:
            talk.hurry(b"HELP\r\n" * 10_000, most=2 * MB)
        others_get_in(stage)


SLOW = {
    UNIX: BEGUN,
    TCP: BEGUN,
    SENDMAIL: frame(b"sendmail", b"x" * 2000),
}


@pytest.mark.parametrize("door", [UNIX, SENDMAIL])
def test_an_octet_now_and_then_is_not_waited_for_for_ever(door: str) -> None:
    """Each command, and all the words of a frame, have the time of idle_timeout."""
    config = CONFIG.replace("check_senders", "idle_timeout = 2s\ncheck_senders")
    pace = threading.Event()
    with opened(config) as stage, stage.unharmed(), stage.connect(door) as talk:
        for octet in b"NOOP " * 20 if door in SMTP else SLOW[door]:
            talk.say(bytes([octet]))
            pace.wait(0.2)
            if talk.is_over():
                break

        assert talk.is_over()


def test_a_hundred_who_say_an_octet_a_second_hold_up_no_other(stage: Stage) -> None:
    with stage.unharmed(), ExitStack() as stack:
        slow = [
            (stack.enter_context(stage.connect(door)), iter(SLOW[door]))
            for door in DOORS
            for _ in range(33)
        ]
        stop = threading.Event()
        pacer = threading.Thread(target=_pace, args=(slow, stop))
        pacer.start()
        try:
            for _ in range(5):
                others_get_in(stage)
        finally:
            stop.set()
            pacer.join()


def _pace(slow: list[tuple[Talk, Iterator[int]]], stop: threading.Event) -> None:
    while not stop.wait(1):
        for talk, octets in slow:
            talk.say(bytes([next(octets)]))


@pytest.mark.parametrize("number", [20_000, 1_900_000])
def test_a_frame_in_pieces_of_an_octet_is_read_in_time_of_its_size(
    stage: Stage, number: int
) -> None:
    """Reading all of it anew for each piece would stop everybody for hours."""
    whole = frame(b"sendmail", b"x" * number)
    step = max(1, len(whole) // 20_000)
    with stage.connect(SENDMAIL) as talk:
        for at in range(0, len(whole), step):
            talk.say(whole[at : at + step])
        talk.stop()
        assert talk.all_of_it().startswith(b"6")
