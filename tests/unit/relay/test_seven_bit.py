# SPDX-License-Identifier: Apache-2.0
"""Another reader finds the same texts in what was made 7-bit, or shorter."""

import re

import pytest

from maildropd.relay.form.octets import canonical
from maildropd.relay.form.seven_bit import Unconvertible, converted, plan
from tests.fakes.mail_reader import seen

_OPTIONAL = re.compile(r'["\\]| *(?=[<:])')
LINES = re.compile(rb"[^\r\n]+")
PARTS = b"""Subject: Gr\xc3\xbc\xc3\x9fe
Content-Type: multipart/mixed; boundary="=_b"

ignored
--=_b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\xc3\xbc\xc3\x9fe aus dem schoenen Muenchen, an alle, die dort gern sind,
und an die, die es nicht sind =\x20
.
--=_b
Content-Type: text/html

<p>plain</p>
--=_b
Content-Type: application/x-thing; name="M\xc3\xa4rz 1.bin"

\xff\xfe\x00one
two

--=_b--
ignored, too
"""


def made(content: bytes, *, seven_bit: bool = True) -> bytes:
    content = canonical(content)

    def pieces() -> list[bytes]:
        each = 7 if len(content) < 10_000 else 10_007
        return [content[at : at + each] for at in range(0, len(content), each)]

    agreed = plan(lambda: iter(pieces()), seven_bit=seven_bit)
    if agreed is None:
        return content
    return b"".join(converted(lambda: iter(pieces()), agreed))


def refused(content: bytes) -> str:
    with pytest.raises(Unconvertible) as caught:
        made(content)
    return str(caught.value)


def longest(content: bytes) -> int:
    return max(map(len, LINES.findall(content)))


def message(*lines: str, media: str = "text/plain; charset=utf-8") -> bytes:
    """Return a message of one text."""
    body = "\n".join(lines)
    return f"Subject: x\nMIME-Version: 1.0\nContent-Type: {media}\n\n{body}\n".encode()


def multipart(part: bytes, *, kind: str = "mixed") -> bytes:
    head = f"Content-Type: multipart/{kind}; boundary=b\n\n".encode()
    return head + b"--b\n" + part + b"\n--b--\n"


def test_a_text_without_any_header_of_mime_is_given_one() -> None:
    """What cron writes: a reader would have to guess the characters."""
    result = made("Subject: x\n\nGrüße an alle, die hier herumstehen\n".encode())

    assert result.isascii()
    assert b"\r\nMIME-Version: 1.0\r\n" in result
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in result
    assert b"\r\nContent-Transfer-Encoding: quoted-printable\r\n" in result
    assert result.endswith(b"\r\n\r\nGr=C3=BC=C3=9Fe an alle, die hier herumstehen\r\n")


def test_characters_that_nobody_knows_are_called_so() -> None:
    """RFC 1428: it is better than a guess."""
    result = made(b"Subject: x\n\nall the letters beyond: \xe4\xf6\n")

    assert b"\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" in result


def test_parts_are_converted_one_by_one_and_read_the_same() -> None:
    result = made(PARTS)

    assert result.isascii()
    assert seen(result) == seen(canonical(PARTS))
    assert b"\r\n\r\n<p>plain</p>\r\n--=_b\r\n" in result  # needed nothing


def test_a_text_of_another_alphabet_becomes_base64() -> None:
    """Quoted-printable would make it three times as long."""
    content = message("こんにちは世界、今日も元気ですか")

    result = made(content)

    assert b"Content-Transfer-Encoding: base64\r\n" in result
    assert seen(result) == seen(canonical(content))


def test_a_message_within_a_message_is_converted_inside() -> None:
    """RFC 2045 5.2.1: what is message/rfc822 must not be encoded itself."""
    inner = message("schöne Grüße aus dem Inneren dieser Nachricht")
    content = multipart(b"Content-Type: message/rfc822\n\n" + inner)

    result = made(content)

    assert result.isascii()
    assert seen(result) == seen(canonical(content))
    assert result.count(b"Content-Transfer-Encoding") == 1


@pytest.mark.parametrize(
    "words",
    [
        'boundary="----=_Part 1"; type="text/plain"',
        "boundary=----=_Part; protocol=application/x",
        "charset=x;\n BOUNDARY=----=_Part ; ",
    ],
)
def test_boundaries_are_found_as_programs_write_them(words: str) -> None:
    """Java writes an = that wants quotes, and not all give it any."""
    boundary = "----=_Part 1" if "1" in words else "----=_Part"
    text = f"--{boundary}\n\nschöne Grüße und noch etwas mehr\n--{boundary}--\n"
    content = f"Content-Type: multipart/mixed; {words}\n\n{text}".encode()

    result = made(content)

    assert result.isascii()
    assert seen(result) == seen(canonical(content))


def test_a_digest_is_messages_without_a_word_of_it() -> None:
    content = multipart(b"\n" + message("Grüße, und ein wenig Text"), kind="digest")

    result = made(content)

    assert result.isascii()
    assert seen(result) == seen(canonical(content))


def test_labels_of_what_has_no_8bit_text_any_more_are_corrected() -> None:
    label = b"Content-Transfer-Encoding: 8bit\n"
    result = made(label + multipart(label + b"\nein Wort und noch eines: \xc3\xbc"))

    assert b"8bit" not in result
    assert result.startswith(b"Content-Transfer-Encoding: 7bit\r\n")


SIGNED = (
    b"Content-Type: multipart/signed; boundary=s; protocol=x/y\n\n"
    b"--s\nContent-Type: text/plain\n\n%s\n"
    b"--s\nContent-Type: application/pgp-signature\n\nxyz\n--s--\n"
)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"DKIM-Signature: v=1\nSubject: x\n\n\xc3\xbc\n", "dkim-signature"),
        (b"ARC-Message-Signature: i=1\n\n\xc3\xbc\n", "arc-message-signature"),
        (b"DKIM-Signature: v=1\nSubject: \xc3\xbc\n\nx\n", "dkim-signature"),
        (SIGNED % b"\xc3\xbc", "signed (multipart/signed)"),
        (multipart(SIGNED % b"\xc3\xbc"), "signed (multipart/signed)"),
    ],
)
def test_what_is_signed_is_not_touched(content: bytes, why: str) -> None:
    assert why in refused(content)


def test_what_is_beside_a_signed_part_is_converted() -> None:
    """Its own signature does not cover the subject."""
    result = made("Subject: Grüße\n".encode() + SIGNED % b"plain")

    assert result.endswith(canonical(SIGNED % b"plain"))
    assert result.isascii()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"Content-Type: message/partial; id=x\n\n\xc3\xbc\n", "message/partial"),
        (multipart(b"Content-Type: message/delivery-status\n\n\xc3\xbc"), "delivery"),
        (b"Content-Type: multipart/mixed\n\n\xc3\xbc\n", "multipart/mixed"),
        (b"Content-Type: multipart/mixed; boundary=no\n\n\xc3\xbc\n", "none of its"),
        (multipart(b"\nx") + b"\xc3\xbc\n", "none of its parts"),
        (b"Content-Transfer-Encoding: base64\n\nxyz\xc3\xbc\n", "base64"),
        (b"Content-Transfer-Encoding: x-uuencode\n\n\xc3\xbc\n", "x-uuencode"),
        (b"Content-Type: a/b\nContent-Type: c/d\n\n\xc3\xbc\n", "two fields"),
        (b"no field\n\n\xc3\xbc\n", "no field"),
        (b"Received: from \xc3\xbc\n\nx\n", "received"),
        (b"From: \xc3\xbc@example.org\n\nx\n", "from"),
        (b"From: x <\xc3\xbc@example.org>\n\nx\n", "from"),
        (b'Content-Disposition: x; name="\xff"\n\nx\n', "content-disposition"),
    ],
)
def test_what_cannot_be_said_otherwise_is_refused_with_the_reason(
    content: bytes, why: str
) -> None:
    assert why in refused(content)


@pytest.mark.parametrize(
    "field",
    [
        "Subject: Grüße",
        "Subject:Grüße",
        "Subject: to all: Grüße, and more",
        "Subject: Ä  Ö",
        "Subject: " + "Grüße und " * 30,
        "Subject: folded Grüße\n and more Ü\n and end",
        "X-Note: Grüße",
        "From: Jürgen Groß <a@example.org>",
        "From:Jürgen<a@example.org>",
        'From: "Groß, Jürgen" <a@example.org>',
        'From: "a \\"ü\\" b" <a@example.org>',
        "From: a@example.org (Jürgen)",
        'To: "plain, name" <a@example.org>,\n Jürgen <b@example.org>, c@example.org',
        "To: Große Runde: a@example.org, B <b@example.org>;",
        "Resent-From: Jürgen <a@example.org>",
        "List-Id: Für alle <all.example.org>",
    ],
)
def test_a_field_in_ascii_reads_the_same(field: str) -> None:
    content = canonical(f"{field}\n\nx\n".encode())

    result = made(content)

    assert result.isascii()
    assert longest(result) <= 80
    assert _unquoted(seen(result)[0].fields) == _unquoted(seen(content)[0].fields)


def _unquoted(fields: tuple[tuple[str, str], ...]) -> list[str]:
    """Leave out what may stand or not: quotes, and blanks before what is special."""
    return [name + _OPTIONAL.sub("", text) for name, text in fields]


def test_a_file_name_keeps_its_letters() -> None:
    [one] = seen(made(message("x", media='text/plain; name="Mär z.txt"; a=b')))

    assert one.name == "Mär z.txt"


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Content-Type: text/html; charset=utf-8\n",
        b"Content-Type: application/json\n",
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Transfer-Encoding: base64\n",
    ],
)
@pytest.mark.parametrize("octets", [999, 5000, 300_000])
def test_a_long_line_is_encoded_and_reads_the_same(header: bytes, octets: int) -> None:
    """A page of HTML in one line, base64 without any line end."""
    text = b"<p>=3D</p>" if b"base64" not in header else b"QUJDQUJD"
    body = (text * octets)[:octets]
    content = header + b"Subject: x\n\n" + body + b"\nand more\n"
    if b"base64" in header:
        content = header + b"\n" + body[: octets // 4 * 4] * 2 + b"\n"

    result = made(content, seven_bit=False)

    assert longest(result) <= 78
    [before], [after] = seen(canonical(content)), seen(result)
    assert (before.text, before.name) == (after.text, after.name)


def test_eight_bit_text_that_is_not_long_stays_where_it_may() -> None:
    long = b"--b\nContent-Type: text/html\n\n" + b"x " * 600 + b"\n"
    content = multipart(b"\n\xc3\xbc\n" + long + b"--b\n\n\xc3\xbc")

    result = made(content, seven_bit=False)

    assert longest(result) <= 78
    assert result.count(b"\r\n\xc3\xbc\r\n") == 2
    assert [one.text for one in seen(result)] == [
        one.text for one in seen(canonical(content))
    ]


def test_no_line_that_is_made_is_a_boundary() -> None:
    """A long line of the text goes on with what looks like one."""
    text = "ä" + "x" * 69 + "--b\n" + "ä" + "-" * 400 + "--b--"
    content = multipart(f"Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode())

    result = made(content)

    assert seen(result) == seen(canonical(content))
    assert longest(result) <= 76


@pytest.mark.parametrize(
    "content",
    [
        b"DKIM-Signature: v=1\n\n" + b"x" * 2000 + b"\n",
        SIGNED % (b"x" * 2000),
        b"Content-Type: message/partial\n\n" + b"x" * 2000 + b"\n",
        b"no field\n\n" + b"x" * 2000 + b"\n",
        b"X-Token: " + b"x" * 2000 + b"\n\nx\n",
        b"Content-Transfer-Encoding: base64\n\n" + b"-" * 2000 + b"\n",
    ],
)
def test_a_long_line_that_cannot_be_mended_goes_as_it_is(content: bytes) -> None:
    """Most servers take it; what cuts a line, or bounces, would be we."""
    assert made(content, seven_bit=False) == canonical(content)


def test_a_long_field_is_folded_at_its_blanks() -> None:
    content = b"References: " + b"<a@b> " * 400 + b"\nSubject: x\n\nx\n"

    result = made(content, seven_bit=False)

    assert longest(result) <= 998
    assert result.replace(b"\r\n ", b" ") == canonical(content).replace(b"\r\n ", b" ")


@pytest.mark.parametrize(
    "end", [b"", b"\n", b"--b", b"--b\n", b"--b--", b"\n--b--\n--b\nx"]
)
def test_a_multipart_without_an_end_reads_the_same(end: bytes) -> None:
    content = (
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nein Text: \xc3\xbc\n"
    )
    content = canonical(content + end)

    assert seen(made(content)) == seen(content)


def test_an_outer_boundary_ends_what_is_open_inside() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=c\n\n--c\n\nein Text: \xc3\xbc"
    content = canonical(multipart(inner + b"\n--b\n\nnoch ein Text: \xc3\xbc"))

    assert seen(made(content)) == seen(content)
