# SPDX-License-Identifier: Apache-2.0
"""sendmail -bs is a way to the submission socket, and no more."""

import os
import re
import socket

import pytest

from tests.fakes.sendmail_daemon import Caller, answer, hang_up
from tests.integration.clients.stage import DEADLINE, MAIL, Stage


def converse(caller: Caller) -> None:
    """Greet, echo in capitals, and say goodbye when the other has said all."""
    caller.say(b"220 here\r\n")
    while caller.hear():
        caller.say(bytes(caller.heard.splitlines()[-1]).upper() + b"\r\n")
    caller.say(b"221 bye\r\n")


def test_a_conversation_goes_both_ways(stage: Stage) -> None:
    """The end of either side is passed on, and the other has the last word."""
    daemon = stage.serve(converse, at="submission")
    process = stage.start("-bs")
    assert process.stdin
    assert process.stdout

    heard = [process.stdout.readline()]
    for line in (b"ehlo me\r\n", b"noop\r\n"):
        process.stdin.write(line)
        process.stdin.flush()
        heard.append(process.stdout.readline())
    ended = stage.end(process)

    assert heard == [b"220 here\r\n", b"EHLO ME\r\n", b"NOOP\r\n"]
    assert (ended.code, ended.out, ended.err) == (0, b"221 bye\r\n", b"")
    assert daemon.callers[0].has_shut
    assert stage.dropped() == []


@pytest.mark.parametrize(
    "words", [("-bs", "-t"), ("-bm", "-bs"), ("-oi", "-bs"), ("-f", "a@b", "-bs")]
)
def test_any_way_to_say_so_will_do(stage: Stage, words: tuple[str, ...]) -> None:
    stage.serve(converse, at="submission")

    ended = stage.end(stage.start(*words), b"")

    assert (ended.code, ended.out) == (0, b"220 here\r\n221 bye\r\n")


def test_octets_go_both_ways_untouched(stage: Stage) -> None:
    octets = bytes(range(256)) * 1000
    daemon = stage.serve(answer(octets), at="submission")

    ended = stage.end(stage.start("-bs"), octets[::-1])

    assert ended.out == octets
    assert daemon.callers[0].heard == octets[::-1]


def echo(caller: Caller) -> None:
    """Answer each piece before the next is heard, as one who is overrun does."""
    while octets := caller.sock.recv(1000):
        caller.say(octets * 2)


def test_neither_side_waits_for_the_other_to_listen(stage: Stage) -> None:
    """A thousand commands in one go have a thousand answers."""
    octets = os.urandom(2 << 20)
    stage.serve(echo, at="submission")

    ended = stage.end(stage.start("-bs"), octets)

    assert ended.code == 0
    assert len(ended.out) == 2 * len(octets)


def test_a_server_that_closes_ends_it_whatever_is_still_to_come(stage: Stage) -> None:
    stage.serve(lambda caller: caller.say(b"421 not now\r\n"), at="submission")
    process = stage.start("-bs")

    code = process.wait(DEADLINE)

    assert code == 0
    assert stage.end(process).out == b"421 not now\r\n"


def test_the_last_word_is_heard_though_more_was_to_be_said(stage: Stage) -> None:
    def refuse(caller: Caller) -> None:
        caller.hear()
        caller.say(b"421 enough\r\n")

    stage.serve(refuse, at="submission")

    ended = stage.end(stage.start("-bs"), b"noop\r\n" * 500_000)

    # Which it is depends on how much was on its way when the server closed.
    assert ended.code in (0, os.EX_TEMPFAIL)
    assert ended.out == b"421 enough\r\n"


def test_a_server_that_breaks_off_makes_no_success(stage: Stage) -> None:
    def breaks(caller: Caller) -> None:
        caller.sock.recv(1, socket.MSG_PEEK)

    stage.serve(breaks, at="submission")

    ended = stage.end(stage.start("-bs"), MAIL)

    assert ended.code == os.EX_TEMPFAIL
    assert ended.out == b""


def test_a_caller_who_does_not_listen_ends_it(stage: Stage) -> None:
    stage.serve(converse, at="submission")
    reader, writer = os.pipe()
    os.close(reader)

    process = stage.start("-bs", stdout=writer)
    os.close(writer)

    assert process.wait(DEADLINE) == os.EX_TEMPFAIL


def test_without_a_socket_the_answer_is_that_of_a_server(stage: Stage) -> None:
    stage.serve(hang_up())  # the other socket does not help

    ended = stage.end(stage.start("-bs"), MAIL)

    assert ended.code == os.EX_TEMPFAIL
    assert re.fullmatch(rb"421 4\.3\.2 [^\r\n]+\r\n", ended.out)
    assert b"submission: No such file or directory" in ended.out
    assert stage.dropped() == []


def test_a_socket_that_may_not_be_reached_is_the_same(stage: Stage) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(stage.run / "submission"))

    ended = stage.end(stage.start("-bs"), MAIL)

    assert ended.code == os.EX_TEMPFAIL
    assert b"submission: Connection refused\r\n" in ended.out
