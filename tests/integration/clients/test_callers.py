# SPDX-License-Identifier: Apache-2.0
"""Programs call sendmail without files, without memory, without anything."""

import os
import shlex

import pytest

from tests.fakes.sendmail_daemon import answer, answer_early
from tests.integration.clients.stage import MAIL, WORDS, Stage


def closing(*descriptors: int) -> tuple[str, ...]:
    """Return a command that closes some files, and runs what follows."""
    closes = " ".join(f"{number}>&-" for number in descriptors)
    return ("sh", "-c", f'exec "$0" "$@" {closes}')


@pytest.mark.parametrize("closed", [(0,), (0, 1), (0, 2), (0, 1, 2)])
def test_a_closed_input_is_an_empty_mail(stage: Stage, closed: tuple[int, ...]) -> None:
    """And no socket or file takes its place: the mail would be its answer."""
    daemon = stage.serve(answer(b"0 queued\n"))

    ended = stage.end(stage.start(*WORDS, within=closing(*closed)))

    assert (ended.code, ended.err) == (0, b"")
    assert ended.out == (b"" if 1 in closed else b"queued\n")
    (frame,) = daemon.frames
    assert (frame.content, frame.is_whole) == (b"", True)


@pytest.mark.parametrize("closed", [(0,), (0, 1, 2)])
def test_a_closed_input_is_an_empty_mail_in_the_drop(
    stage: Stage, closed: tuple[int, ...]
) -> None:
    ended = stage.end(stage.start(*WORDS, within=closing(*closed)))

    assert ended.code == 0
    assert stage.dropped()[0].content == b""


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2)])
@pytest.mark.parametrize("code", [0, 67])
def test_a_closed_output_changes_nothing(
    stage: Stage, closed: tuple[int, ...], code: int
) -> None:
    """Least of all is the answer written into the mail, or to the daemon."""
    daemon = stage.serve(answer(b"%d queued\n" % code))

    ended = stage.sent(within=closing(*closed))

    assert ended.code == code
    assert daemon.frames[0].content == MAIL


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2)])
def test_a_closed_output_changes_nothing_in_the_drop(
    stage: Stage, closed: tuple[int, ...]
) -> None:
    assert stage.sent(within=closing(*closed)).code == 0
    assert stage.dropped()[0].content == MAIL


def test_what_nobody_reads_is_said_to_nobody(stage: Stage) -> None:
    """/dev/full takes nothing: the code is what counts."""
    stage.serve(answer(b"0 queued\n"))

    with open("/dev/full", "wb") as full:
        ended = stage.sent(stdout=full, stderr=full)

    assert ended.code == 0


def test_an_output_that_does_not_block_is_waited_for(stage: Stage) -> None:
    text = os.urandom(1 << 20)
    stage.serve(answer(b"0 " + text))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    process = stage.start(name="mailq", stdout=writer)
    os.close(writer)
    with open(reader, "rb") as heard:
        out = heard.read()

    assert out == text
    assert stage.end(process).code == 0


def limited(limit: str, value: int) -> tuple[str, ...]:
    return ("prlimit", f"--{limit}={value}")


@pytest.mark.parametrize("files", [3, 4])
def test_without_descriptors_nothing_is_taken(stage: Stage, files: int) -> None:
    """Three are standard; a fourth makes a socket, or a drop without a file in it."""
    if stage.twin.kind == "module":
        return  # Python's own files need more, and it complains at length
    daemon = stage.serve(answer(b"0 "))

    ended = stage.sent(within=limited("nofile", files))

    if ended.code == 0:
        assert daemon.frames[0].content == MAIL
    else:
        assert ended.err
        assert daemon.frames == []
    assert stage.dropped() == []


def test_a_limit_for_files_is_told(stage: Stage) -> None:
    """Reaching it kills, by default."""
    ended = stage.sent(mail=MAIL * 1000, within=limited("fsize", 1000))

    assert ended.code == os.EX_TEMPFAIL
    assert b"File too large" in ended.err
    assert stage.dropped() == []


def test_a_want_of_memory_is_told(stage: Stage) -> None:
    if stage.twin.kind == "sanitized":
        return  # it needs terabytes of addresses for itself
    daemon = stage.serve(answer_early(b"", b"bob"))
    memory = 16 << 20 if stage.twin.is_c else 48 << 20

    ended = stage.sent(mail=bytes(64 << 20), within=limited("as", memory))

    assert ended.code in (os.EX_TEMPFAIL, os.EX_OSERR)
    assert b"memory" in ended.err
    assert not any(frame.is_whole for frame in daemon.frames)
    assert stage.dropped() == []


def test_a_shell_may_give_a_mail_as_a_document(stage: Stage) -> None:
    """The file behind it is open at 0 only, and is gone already."""
    daemon = stage.serve(answer(b"0 "))
    here = f'exec "$0" "$@" <<EOF\n{shlex.quote(MAIL.decode())}\nEOF\n'

    ended = stage.end(stage.start(*WORDS, within=("sh", "-c", here)))

    assert ended.code == 0
    assert b"A line." in daemon.frames[0].content
