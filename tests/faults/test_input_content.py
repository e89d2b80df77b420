# SPDX-License-Identifier: Apache-2.0
"""Odd mail that is mail: delivered octet by octet, and nothing is smuggled.

What changes on the wire is what RFC 5321 2.3.8 asks for: lines end in CR LF,
so a CR or an LF that stands alone becomes one, and the last line ends.
"""

import os
import re
from collections.abc import Iterator
from email import message_from_bytes

import pytest

from tests.fakes.smtp_peer import Taken
from tests.faults.input_stage import MB, PATIENCE, Stage, opened, wire

LIMIT = 25 * MB
EDGE = 5 * 65536  # of a block, in a mail that is large enough to be read in blocks
SHORT_LINES = (b"x" * 60 + b"\n") * 10_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with opened(tmp_path_factory.mktemp("content")) as stage:
        yield stage


def to(name: str) -> bytes:
    return b"##To:%s@example.net\n##From:app@example.org\n" % name.encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("lf", b"Subject: x\n\nA line.\n"),
        ("crlf", b"Subject: x\r\n\r\nA line.\r\n"),
        ("mixed", b"Subject: x\r\n\nA line.\r\nAnother.\n\r\n"),
        ("no-end", b"Subject: x\n\nno line end"),
        ("no-body", b"Subject: x\n"),
        ("no-header", b"\nA line.\n"),
        ("words", b"no header at all\nand more\n"),
        ("nul", b"Subject: a\0b\n\n\0\0 and \0.\n" + bytes(990)),
        ("8-bit", b"Subject: \xfc\xff\nX-\xe9: \xc3\xa9\n\n\xe4\xff\xfe \x80\n"),
        ("bare-cr", b"Subject: x\n\none\rtwo\r\rthree\r\n"),
        ("ends-in-cr", b"Subject: x\n\nA line.\r"),
        ("controls", b"Subject: x\n\n\x01\x07\x08\x0b\x0c\x1a\x1b\x7f\n\x04\n"),
        ("dots", b"Subject: x\n\n.\n..\n...\n.a\n.\r\n..\r\n" + b".\n" * 1000),
        ("from", b"Subject: x\n\nFrom here\n>From there\nFrom \n"),
        ("malformed", b"Subject: x\nno field\n folded\n:\n\n:\n"),
        ("long-header", b"Subject: " + b"x" * 3 * MB + b"\n\nA line.\n"),
        ("long-crs", b"Subject: x\n\n" + b"\r" * 100_000 + b"x\n"),
    ],
)
def test_a_content_arrives_as_it_was_left(
    stage: Stage, name: str, content: bytes
) -> None:
    with stage.bounded(name):
        stage.daemon.put(name, to(name) + content)
        stage.delivered(name, name, wire(content))


@pytest.mark.parametrize("before", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("after", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("at", [20, EDGE - 2, EDGE - 1, EDGE, EDGE + 1])
def test_nothing_is_smuggled_behind_a_dot_of_ones_own(
    stage: Stage, before: bytes, after: bytes, at: int
) -> None:
    r"""CVE-2023-51764 and its kind: one side takes \n.\r\n for the end.

    The dot also where two of the blocks meet in which a large mail is read.
    """
    name = f"smuggle-{before.hex()}-{after.hex()}-{at}"
    evil = b"MAIL FROM:<evil@x>%sRCPT TO:<evil@x>%sDATA%s" % (after, after, after)
    start = (b"Subject: x\n\n" + SHORT_LINES)[: at - len(before)] + before
    content = start + b"." + after + evil + before + b"." + after + b"A line.\n"
    before_it = len(stage.server.ledger)

    stage.daemon.put(name, to(name) + content)
    stage.delivered(name, name, wire(content))

    taken = stage.arrives(name)
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", taken.content)
    came = [each.recipients[0] for each in stage.server.ledger[before_it:]]
    assert [path for path in came if not path.startswith("good")] == [
        f"{name}@example.net"
    ]
    assert not any(b"evil" in line for line in stage.server.heard)


@pytest.mark.parametrize(
    "path",
    [
        "-oQ/tmp/x@example.net",
        "|touch${IFS}executed@example.net",
        "`touch${IFS}executed`@example.net",
        '"|touch executed"@example.net',
        '"/etc/passwd "@example.net',
        "/etc/passwd@example.net",
        "../../executed@example.net",
        "a%b!c@example.net",
    ],
)
def test_an_address_is_only_an_address(stage: Stage, path: str) -> None:
    """No shell, no file and no option is reached through it (CVE-2020-7247)."""
    name = f"address-{path.encode().hex()}"

    with stage.bounded(name):
        stage.daemon.put(name, b"##To:%s\nSubject: x\n\nx\n" % path.encode())
        stage.server.wait(
            lambda server: any(_is_to(t, path) for t in server.delivered), PATIENCE
        )

    (taken,) = [each for each in stage.server.delivered if _is_to(each, path)]
    assert taken.recipients == (path,)
    assert not list(stage.daemon.folder.rglob("*executed*"))


@pytest.mark.parametrize(
    "name",
    [b"n" * 255, b"caf\xe9\xff", b"line\nend", b"-rf", b"%s%n", b"mail", b" ", b"\x7f"],
)
def test_a_mail_of_any_name_is_delivered(stage: Stage, name: bytes) -> None:
    person = f"name-{name[:4].hex()}-{len(name)}"

    with stage.bounded(name):
        _leave(stage, name, to(person) + b"Subject: x\n\nx\n")
        stage.delivered(name, person, b"Subject: x\r\n\r\nx\r\n")


def test_a_mail_of_exactly_the_size_limit_is_delivered(stage: Stage) -> None:
    head = to("limit") + b"Subject: x\n\n"
    lines = (b"x" * 76 + b"\n") * (LIMIT // 77)
    content = b"Subject: x\n\n" + lines[: LIMIT - len(head) - 1] + b"\n"

    with stage.bounded("limit"):
        stage.daemon.put("limit", to("limit") + content)
        stage.delivered("limit", "limit", wire(content))


def test_a_sparse_file_within_the_limit_is_delivered_with_its_zeros(
    stage: Stage,
) -> None:
    """In base64: SMTP takes no line of three megabytes (RFC 5321 4.5.3.1.6)."""
    with stage.bounded("holes"):
        with (stage.drop / ".holes").open("wb") as file:
            file.write(to("holes") + b"Subject: x\n\n")
            file.truncate(len(to("holes")) + 12 + 3 * MB)
        (stage.drop / ".holes").rename(stage.drop / "holes")

        assert _body(stage.arrives("holes").content) == bytes(3 * MB)


def test_a_line_of_ten_million_characters_arrives_whole(stage: Stage) -> None:
    """Peers cut it, or put line ends into it."""
    line = b"x" * 10_000_000
    with stage.bounded("long-line"):
        stage.daemon.put("long-line", to("long-line") + b"Subject: x\n\n" + line)

        taken = stage.arrives("long-line").content
        assert _body(taken) == line
        assert max(map(len, taken.split(b"\r\n"))) <= 998


def _body(content: bytes) -> bytes:
    """Return what a reader sees, less the last line end."""
    body = message_from_bytes(content).get_payload(decode=True)
    assert isinstance(body, bytes)
    return body.rstrip(b"\r\n")


@pytest.mark.parametrize("form", ["##", "header"])
def test_ten_thousand_recipients_get_their_mail_each_once(
    stage: Stage, form: str
) -> None:
    names = [f"{form.strip('#')}r{number}@example.net" for number in range(10_000)]
    content = b"Subject: to many, %s\n\nA line.\n" % form.encode()
    if form == "##":
        mail = b"##To:" + ",".join(names).encode() + b"\n" + content
        expected = wire(content)
    else:
        mail = b"Bcc: " + ",\n ".join(names).encode() + b"\nTo: a@x\n" + content
        names[9_999] = "a@x"
        mail = mail.replace(b",\n headerr9999@example.net", b"")
        expected = wire(b"To: a@x\n" + content)

    def parts() -> list[Taken]:
        return [each for each in stage.server.delivered if each.content == expected]

    with stage.bounded(form):
        stage.daemon.put(form, mail)
        stage.server.wait(
            lambda _: sum(len(t.recipients) for t in parts()) >= 10_000, PATIENCE
        )

    got = [path for taken in parts() for path in taken.recipients]
    assert sorted(got) == sorted(names)


def _is_to(taken: Taken, path: str) -> bool:
    return path in taken.recipients


def _leave(stage: Stage, name: bytes, content: bytes) -> None:
    aside = stage.daemon.folder / "aside"
    aside.write_bytes(content)
    os.rename(os.fsencode(aside), os.fsencode(stage.drop) + b"/" + name)
