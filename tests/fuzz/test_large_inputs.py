# SPDX-License-Identifier: Apache-2.0
"""What is large takes time and memory as it is large, and no more.

Most shapes here are the worst case of some plain way to read: a look back, a
copy, or a remembered step for each of a million pieces.
"""

import time
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from maildropd.edge.spool import forms
from maildropd.mail.errors import MailError
from maildropd.mail.reply import Reply
from maildropd.relay.form.octets import wire_blocks
from tests.fuzz.server_of_paper import call
from tests.fuzz.splits import one_line
from tests.unit.spool.stage import Stage

MEGABYTE = 1 << 20
SECONDS = 10.0  # of processor time; what grows with the square takes minutes
MOST = 8 * MEGABYTE  # of memory; what is kept of each piece takes more

Shape = Callable[[int], bytes]
HEADERS: Mapping[str, Shape] = {
    "commas": lambda n: b"To: " + b"," * n,
    "comments": lambda n: b"To: " + b"()" * (n // 2) + b"a@b",
    "comments in comments": lambda n: b"To: " + b"(" * (n // 2) + b")" * (n // 2),
    "a comment without end": lambda n: b"To: " + b"(" * n,
    "quotes": lambda n: b"To: " + b'"a" ' * (n // 4),
    "a quote without end": lambda n: b'To: "' + rb"\a" * (n // 2),
    "groups": lambda n: b"To: " + b"a:;" * (n // 3),
    "a route": lambda n: b"To: <" + b"@a," * (n // 3) + b":a@b>",
    "angles": lambda n: b"To: " + b"<" * n,
    "dots": lambda n: b"To: " + b"a." * (n // 2) + b"b@c",
    "blanks": lambda n: b"To: " + b" " * n + b"a@b",
    "folds": lambda n: b"To:" + b"\n " * (n // 2) + b"a@b",
    "addresses": lambda n: b"To: " + b"a@b," * (n // 4),
    "addresses, all different": lambda n: (
        b"To: %s" % b",".join(map(_name, range(n // 9)))
    ),
    "fields": lambda n: b"To: a@b\n" + b"x:\n" * (n // 3),
    "fields for us": lambda n: b"To: a@b\n" + b"bcc:\n" * (n // 5),
    "resent fields": lambda n: b"Resent-To: a@b\n" * (n // 15),
    "a name": lambda n: b"To: a@b\n" + b"x" * n + b":",
    "a line that is no field": lambda n: b"To: a@b\n" + b"x" * n,
    "a Message-ID of blanks": lambda n: b"To: a@b\nMessage-ID:" + b" " * n,
    "Message-IDs": lambda n: b"To: a@b\n" + b"Message-ID: \n" * (n // 13),
    "carriage returns": lambda n: b"To: a@b\n" + b"\r" * n,
    "marked lines": lambda n: b"##x:\n" * (n // 5) + b"##To:a@b\n",
    "a marked list": lambda n: b"##To:" + b"a@b," * (n // 4),
    "blank lines": lambda n: b"##To:a@b\n" + b"\n" * n + b"x",
    "8-bit": lambda n: b"To: " + b"\xff" * n,
    "backslashes": lambda n: b"To: " + b"\\" * n,
    "brackets": lambda n: b"To: " + b"[" * n,
    "literals": lambda n: b"To: " + b"[a]" * (n // 3),
    "at signs": lambda n: b"To: " + b"@" * n,
}
# The header must end beyond the piece that is read first, and then be searched.
WHOLE_FILES: Mapping[str, bytes] = {
    "one line": b"To: a@b\n\n" + b"x" * (25 * MEGABYTE),
    "marked lines": b"##x:\n" * 800_000 + b"##To:a@b\n\nx",
    "a header": b"To: a@b\n" + b"X: %s\n" % (b"y" * 4000) * 1000 + b"\nx",
    "line ends": b"To: a@b\n\n" + b"\n" * (25 * MEGABYTE),
}


def _name(number: int) -> bytes:
    return b"a%d@b" % number


def _read(octets: bytes) -> None:
    try:
        forms.read(octets, 10_000)
    except MailError as error:
        one_line(str(error)[:2000])


@pytest.mark.parametrize("shape", HEADERS)
def test_a_header_is_read_in_time_and_memory_of_its_size(shape: str) -> None:
    octets = HEADERS[shape](MEGABYTE) + b"\n\nx"

    began = time.process_time()
    _read(octets)
    took = time.process_time() - began
    assert took < SECONDS

    tracemalloc.start()
    _read(HEADERS[shape](MEGABYTE // 2) + b"\n\nx")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < MOST


@pytest.mark.parametrize("kind", WHOLE_FILES)
def test_a_large_file_does_not_hold_up_its_spool(kind: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path, limit=30 * MEGABYTE)
    stage.write("large", WHOLE_FILES[kind])

    began = time.process_time()
    stage.rest()
    took = time.process_time() - began

    assert took < SECONDS
    assert len(stage.contents) == 1
    stage.close()


@pytest.mark.parametrize("piece", [b"x", b".", b"\n", b"\r", b"\r\n", b"\n.", b"\r."])
def test_a_letter_is_made_in_time_of_its_size(piece: bytes) -> None:
    content = piece * (8 * MEGABYTE // len(piece))
    blocks = (content[at : at + 65_536] for at in range(0, len(content), 65_536))

    began = time.process_time()
    most = max(map(len, wire_blocks(blocks)))

    assert time.process_time() - began < SECONDS
    assert most < 3 * 65_536


@pytest.mark.parametrize(
    "sign", [b"x", b" ", b"\xff", b"\0", b"\xe2\x80\xa8", b"5.1.1 "]
)
def test_a_reply_is_understood_in_time_of_its_size(sign: bytes) -> None:
    line = b"550-" + sign * (60_000 // len(sign)) + b"\r\n"
    said = call([line] * 99 + [b"550 no\r\n"]).wire

    began = time.process_time()
    reply = Reply.parse(*said.getreply())

    assert time.process_time() - began < SECONDS
    assert len(reply.text) <= 500
