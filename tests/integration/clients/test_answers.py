# SPDX-License-Identifier: Apache-2.0
"""What the daemon says is what the caller hears; what it does not say is no yes."""

import os
import signal
import subprocess
import time

import pytest

from tests.fakes.sendmail_daemon import (
    Act,
    Caller,
    answer,
    answer_and_go,
    answer_early,
    answer_slowly,
    hang_up,
    reset,
    say_nothing,
)
from tests.integration.clients.stage import DEADLINE, MAIL, WORDS, Stage
from tests.integration.clients.twins import PATIENCE

NO_ANSWERS = (
    b"",
    b"0",
    b"7",
    b"75",
    b"0\n",
    b" 0 x",
    b"-1 x",
    b"+0 x",
    b"1234 x",
    b"abc x",
    b"0x0 x",
    b"\0 x",
    b"\xff" * 1000,
)


@pytest.mark.parametrize("code", [0, 1, 64, 65, 67, 69, 75, 77, 78, 255])
def test_the_exit_code_is_as_told(stage: Stage, code: int) -> None:
    stage.serve(answer(b"%d some words\nand more\n" % code))

    ended = stage.sent()

    said = (ended.err, ended.out) if code else (ended.out, ended.err)
    assert ended.code == code
    assert said == (b"some words\nand more\n", b"")
    assert stage.dropped() == []


@pytest.mark.parametrize("text", [b"", b" ", b"no end", b"a\0b", os.urandom(1 << 20)])
def test_the_words_go_through_untouched(stage: Stage, text: bytes) -> None:
    stage.serve(answer(b"0 " + text))

    ended = stage.end(stage.start(name="mailq"))

    assert (ended.code, ended.out, ended.err) == (0, text, b"")


def test_an_answer_in_single_octets_is_put_together(stage: Stage) -> None:
    stage.serve(answer_slowly(b"65 no such thing\n"))

    ended = stage.sent()

    assert (ended.code, ended.err) == (65, b"no such thing\n")


def test_an_answer_ends_the_reading(stage: Stage) -> None:
    """A lone dot is the end at a terminal, whose input does not end."""
    daemon = stage.serve(answer_early(b"0 queued\n", b"\n.\n"))
    process = stage.start("bob")
    assert process.stdin

    process.stdin.write(MAIL + b".\n")
    process.stdin.flush()
    code = process.wait(DEADLINE)

    assert code == 0
    assert stage.end(process).out == b"queued\n"
    assert not daemon.frames[0].is_whole
    assert stage.dropped() == []


def test_a_refusal_ends_an_endless_input(stage: Stage) -> None:
    stage.serve(answer_early(b"69 too large\n", b"x" * 10_000))

    with open("/dev/zero", "rb") as zeros:
        filter_ = subprocess.Popen(
            ["tr", "\\0", "x"], stdin=zeros, stdout=subprocess.PIPE
        )
        assert filter_.stdout
        ended = stage.end(stage.start("bob", stdin=filter_.stdout))
        filter_.stdout.close()
        filter_.wait(DEADLINE)

    assert (ended.code, ended.err) == (69, b"too large\n")


def test_an_answer_counts_though_the_daemon_hears_no_more(stage: Stage) -> None:
    """It has shut its ears, and what is sent meets a broken pipe."""

    stage.serve(answer_and_go(b"64 what is that\n"))

    ended = stage.sent(mail=os.urandom(10 << 20))

    assert (ended.code, ended.err) == (64, b"what is that\n")


@pytest.mark.parametrize("said", NO_ANSWERS, ids=lambda said: repr(said)[:20])
def test_half_an_answer_is_none(stage: Stage, said: bytes) -> None:
    """Asked once more, and then left in the drop; all under one key."""
    daemon = stage.serve(answer(said))

    ended = stage.sent()

    assert (ended.code, ended.out, ended.err) == (0, b"", b"")
    first, second = daemon.frames
    (dropped,) = stage.dropped()
    assert first == second == dropped
    assert dropped.content == MAIL


@pytest.mark.parametrize("end", [hang_up(), hang_up(b"bob"), reset()])
def test_a_daemon_that_was_restarted_gets_all_of_it(stage: Stage, end: Act) -> None:
    """It went while input was still to come, and is back before the end of it."""
    daemon = stage.serve(end, answer(b"0 "))
    process = stage.start(*WORDS)
    assert process.stdin

    process.stdin.write(MAIL[:9])
    process.stdin.flush()
    daemon.wait(lambda callers: bool(callers) and callers[0].is_over)
    ended = stage.end(process, MAIL[9:])

    assert ended.code == 0
    last = daemon.frames[-1]
    assert (last.content, last.is_whole) == (MAIL, True)
    assert len(daemon.callers) == 2
    assert daemon.callers[0].heard == b"" or daemon.frames[0].key == last.key
    assert stage.dropped() == []


@pytest.mark.parametrize("end", [hang_up(b"0\n"), reset()])
def test_a_daemon_that_hangs_up_each_time_costs_no_mail(stage: Stage, end: Act) -> None:
    stage.serve(end)

    ended = stage.sent(mail=MAIL * 100_000)

    assert ended.code == 0
    assert stage.dropped()[0].content == MAIL * 100_000


def test_a_daemon_that_hangs_up_and_is_gone_costs_no_mail(stage: Stage) -> None:
    """The client in C tried again without end, when the second try found nobody."""

    def act(caller: Caller) -> None:
        (stage.run / "sendmail").unlink()

    stage.serve(act)

    ended = stage.sent()

    assert ended.code == 0
    assert stage.dropped()[0].content == MAIL


def test_a_daemon_that_says_nothing_is_not_waited_for_for_ever(stage: Stage) -> None:
    daemon = stage.serve(say_nothing())

    ended = stage.sent(hasty=True)

    assert (ended.code, ended.err) == (0, b"")
    (dropped,) = stage.dropped()
    daemon.wait(lambda callers: bool(callers) and callers[0].has_shut)
    assert daemon.frames == [dropped]  # and it is not asked again


def test_a_daemon_that_stops_hearing_is_not_waited_for_for_ever(stage: Stage) -> None:
    stage.serve(say_nothing(hear=False))

    ended = stage.sent(hasty=True, mail=MAIL * 200_000)

    assert (ended.code, ended.err) == (0, b"")
    assert stage.dropped()[0].content == MAIL * 200_000


def test_the_time_runs_from_the_end_of_the_input(stage: Stage) -> None:
    """A program may think for minutes while it writes."""
    daemon = stage.serve(answer(b"0 "))
    process = stage.start("bob", hasty=True)
    assert process.stdin

    process.stdin.write(MAIL)
    process.stdin.flush()
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(PATIENCE * 1.5)
    assert stage.dropped() == []
    end = time.monotonic()
    ended = stage.end(process)
    waited = time.monotonic() - end

    assert ended.code == 0
    daemon.wait(lambda callers: bool(callers) and callers[0].has_shut)
    assert daemon.frames[0].content == MAIL
    assert waited >= PATIENCE or stage.dropped() == []  # a daemon may be too slow


@pytest.mark.parametrize("code", [0, 65])
def test_nobody_has_to_listen(stage: Stage, code: int) -> None:
    """A pipe whose reader is gone kills nobody, and the code is as told."""
    stage.serve(answer(b"%d many words\n" % code))
    reader, writer = os.pipe()
    os.close(reader)

    process = stage.start("bob", stdout=writer, stderr=writer)
    os.close(writer)

    assert stage.end(process, MAIL).code == code


def test_a_user_who_changes_his_mind_sees_no_complaint(stage: Stage) -> None:
    daemon = stage.serve(answer(b"0 "))
    process = stage.start("bob")
    daemon.wait(lambda callers: bool(callers) and b"bob\0" in callers[0].heard)

    process.send_signal(signal.SIGINT)
    code = process.wait(DEADLINE)

    assert code in (-signal.SIGINT, 128 + signal.SIGINT)
    assert stage.end(process).err == b""
    daemon.wait(lambda callers: callers[0].has_shut)
    assert not any(frame.is_whole for frame in daemon.frames)
    assert stage.dropped() == []


def test_a_client_that_was_stopped_and_goes_on_hears_the_answer(stage: Stage) -> None:
    """Stopping interrupts what waits with a time limit; signal(7)."""

    def act(caller: Caller) -> None:
        caller.hear_all()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        process.send_signal(signal.SIGCONT)
        os.waitid(os.P_PID, process.pid, os.WCONTINUED | os.WNOWAIT)
        caller.say(b"65 no\n")

    stage.serve(act)
    process = stage.start(*WORDS)
    ended = stage.end(process, MAIL)

    assert (ended.code, ended.err) == (65, b"no\n")
    assert stage.dropped() == []
