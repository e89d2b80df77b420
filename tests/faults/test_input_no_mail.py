# SPDX-License-Identifier: Apache-2.0
"""Files that are no mail: set aside with the reason, read once, and in nobody's way."""

import os
from collections.abc import Iterator

import pytest

from tests.faults.input_stage import GOOD, MB, Stage, opened

HEAD = b"##To:nobody@example.net\n##From:app@example.org\n"
LIMIT = 25 * MB
HEADER_LIMIT = 4 * MB
SOMEBODY_ELSE = 65534


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened(tmp_path_factory.mktemp("no-mail")) as stage:
        yield stage


def to(number: int, between: bytes = b",") -> bytes:
    return between.join(b"r%d@example.net" % each for each in range(number))


def fill(start: bytes, again: bytes, size: int = HEADER_LIMIT - 100) -> bytes:
    return start + again * ((size - len(start)) // len(again)) + b"\n\ntext\n"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("marks-only", HEAD, "there is no message after the ## lines"),
        ("no-colon", b"##To nobody@x\nSubject: x\n\nx\n", "a ## line has no colon"),
        ("no-to", b"##From:a@x\nSubject: x\n\nx\n", "it names no recipient"),
        ("empty-to", b"##To:\n##From:a@x\nSubject: x\n\nx\n", "names no recipient"),
        ("no-to-field", b"From: a@x\nSubject: x\n\nx\n", "it names no recipient"),
        ("group", b"To: undisclosed:;\n\nx\n", "it names no recipient"),
        ("two-words", b"##To:a b@x\nSubject: x\n\nx\n", "not an address: 'a b@x'"),
        ("in-field", b"To: ok@x\nCc: a@@x\n\nx\n", "in the field cc: not an address"),
        ("bad-sender", b"##To:a@x\n##From:<\nS: x\n\nx\n", "no single <address>"),
        ("cr-in-to", b"##To:a@x\rRCPT TO:<evil@x>\nS: x\n\nx\n", "a line end or NUL"),
        ("nul-in-to", b"To: a@x\0evil@x\n\nx\n", "in the field to: a line end"),
        ("cr-in-from", b"##To:a@x\n##From:a@x\rDATA\nS: x\n\nx\n", "a line end or"),
        ("no-header", b"just some words\n", "line 1 is no header field"),
        ("no-field", b"To: a@x\nno field\n\nx\n", "line 2 is no header field"),
        ("8-bit-name", b"To: a@x\nS\xfcb: x\n\nx\n", r"line 2 is no header field"),
        ("folded", b" To: a@x\n\nx\n", "line 1 is no header field"),
        ("nul-name", b"To: a@x\nX\0: x\n\nx\n", "line 2 is no header field"),
        ("binary", bytes(range(256)) * 100, "line 1 is no header field"),
        ("zeros", bytes(MB), "line 1 is no header field"),
        ("all-cr", b"\r" * MB, "it names no recipient"),
    ],
)
def test_a_file_without_envelope_or_header_is_set_aside(
    stage: Stage, name: str, content: bytes, reason: str
) -> None:
    with stage.bounded(name):
        stage.daemon.put(name, content)
        place = stage.quarantined(name, reason)

    assert place.read_bytes() == content


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("##-100000", b"##To:" + to(100_000) + b"\nS: x\n\nx\n", "than 10000 recip"),
        ("to-100000", b"To: " + to(100_000, b",\n ") + b"\n\nx\n", "than 10000 recip"),
        ("bcc-10001", b"Bcc: " + to(10_001) + b"\n\nx\n", "(recipient_limit in"),
        ("short", fill(b"To: a@x", b",b@c"), "more than 10000 recipients"),
        ("named", fill(b"To: a@x", b',"B" <b@c>'), "more than 10000 recipients"),
        ("smiley", fill(b"To: \xf0\x9f\x98\x80 <a@x>", b",b@c"), "10000 recipients"),
        ("folds", fill(b"To: a@x", b",\r\n b@c"), "more than 10000 recipients"),
        ("authors", fill(b"To: a@x\nFrom: a@x", b",b@c"), "more than 1000 senders"),
        ("nobody", fill(b"To: g:;", b"g:;"), "no end of words"),
        ("word", fill(b"To: ", b"a"), "a word without end"),
        ("quote", fill(b'To: "', b'\\"'), "a quote without end"),
        ("comment", fill(b"To: (", b"("), "a comment without end"),
        ("fields", fill(b"To: a@x", b"\nX:"), "more than 25000 header fields"),
        ("bccs", fill(b"To: a@x", b"\nBcc:"), "more than 25000 header fields"),
        ("no-end", b"To: a@x\nX: " + b"x" * 5 * MB, "its header is larger than"),
        ("no-end-marked", HEAD + b"X: " + b"x" * 5 * MB, "its header is larger than"),
        ("marks", b"##To:a@x\n" + b"##X:\n" * MB, "its header is larger than"),
        ("too-large", HEAD + b"S: x\n\n" + b"x" * LIMIT, "message_size_limit is"),
    ],
)
def test_a_header_made_to_fill_our_memory_is_set_aside(
    stage: Stage, name: str, content: bytes, reason: str
) -> None:
    with stage.bounded(name):
        stage.daemon.put(name, content)
        place = stage.quarantined(name, reason)

    assert place.stat().st_size == len(content)


def test_ten_such_headers_at_once_take_no_more_memory(stage: Stage) -> None:
    """What one leaves behind must be gone before the next is read."""
    content = fill(b"To: a@x", b",b@c")
    with stage.bounded("ten-9"):
        for number in range(10):
            stage.daemon.put(f"ten-{number}", content)
        for number in range(10):
            stage.quarantined(f"ten-{number}", "more than 10000 recipients")


def test_a_file_that_we_may_not_read_is_set_aside_unread(stage: Stage) -> None:
    content = GOOD % b"nobody@example.net"
    aside = stage.drop / ".unreadable"
    aside.write_bytes(content)
    aside.chmod(0o600)
    os.chown(aside, SOMEBODY_ELSE, SOMEBODY_ELSE)

    with stage.bounded("unreadable", reads=0):
        aside.rename(stage.drop / "unreadable")
        place = stage.quarantined("unreadable", "it cannot be read (Permission denied)")

    assert place.read_bytes() == content
    assert "uid 65534" in place.with_name(place.name + ".reason").read_text()


@pytest.mark.parametrize(
    "name",
    [
        b"n" * 255,
        b"caf\xe9\xff",
        b"line\nend",
        b"tab\tand \x1b[31mred",
        b"-rf",
        b"%s%n",
    ],
)
def test_a_bad_file_of_any_name_is_set_aside(stage: Stage, name: bytes) -> None:
    with stage.bounded(name):
        leave(stage, name, b"no mail\n")
        stage.quarantined(name, "line 1 is no header field")


@pytest.mark.parametrize("name", [".hidden", "draft.tmp", "stale.lck"])
def test_a_draft_is_never_opened(stage: Stage, name: str) -> None:
    with stage.bounded(name, reads=0):
        leave(stage, name.encode(), b"no mail\n")

    assert (stage.drop / name).read_bytes() == b"no mail\n"
    assert stage.told(name) == 0


def test_nothing_of_all_this_was_sent(stage: Stage) -> None:
    stage.good()

    sent = {path for taken in stage.server.delivered for path in taken.recipients}
    assert all(path.startswith("good") for path in sent)
    assert not any(b"evil" in line for line in stage.server.heard)


def leave(stage: Stage, name: bytes, content: bytes) -> None:
    aside = stage.daemon.folder / "aside"
    aside.write_bytes(content)
    os.rename(os.fsencode(aside), os.fsencode(stage.drop) + b"/" + name)
