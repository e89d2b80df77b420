# SPDX-License-Identifier: Apache-2.0
"""An email object that was read from octets, made fit for the wire."""

from email import message_from_bytes
from email.message import Message

import pytest

from maildropd.foreign.maildirs.cleaning import clean
from maildropd.foreign.maildirs.messages import flat

FIELDS = b"From: a@x.org\nMIME-Version: 1.0\n"


def test_fields_of_one_name_keep_a_value_each() -> None:
    """Of three Received the first had what the last one said, and so on."""
    before = (
        b"Received: from one\nX-A: 1\nReceived: from two\nTo: a@x.org\n"
        b"x-a: 2\nReceived: from three\nTo: B <b@x.org>\nX-A: 3\n"
    )

    assert flat(cleaned(before + b"\nhi\n")).startswith(before)


@pytest.mark.parametrize(
    ("charset", "transfer", "body"),
    [
        ("utf-8", "quoted-printable", b"Gr=C3=BC=C3=9Fe\n"),
        ("utf-8", "base64", b"R3LDvMOfZQo=\n"),
        ("utf-16", "BASE64 ", b"//5hAAoA\n"),
        ("iso-2022-jp", "7bit", b"\x1b$B$3\x1b(B\n"),
    ],
)
def test_an_encoded_text_keeps_the_charset_that_it_names(
    charset: str, transfer: str, body: bytes
) -> None:
    """Each is ASCII to look at, and came out as us-ascii, to be read as that."""
    field = f'Content-Type: text/plain; charset="{charset}"\n'
    field += f"Content-Transfer-Encoding: {transfer}\n"
    before = FIELDS + field.encode() + b"\n" + body

    assert flat(cleaned(before)) == before


def test_an_image_gets_no_charset() -> None:
    field = b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n"
    before = FIELDS + field + b"\niVBORw0KGgo=\n"

    assert flat(cleaned(before)) == before


def test_text_that_is_not_encoded_though_it_says_so_is_written() -> None:
    message = Message()
    message["Content-Transfer-Encoding"] = "quoted-printable"
    message.set_payload("Gr\u00fc\u00dfe\n")

    clean(message)

    assert flat(message).endswith(b"\n\nGr\xfc\xdfe\n")


def cleaned(octets: bytes) -> "Message[str, str]":
    message = message_from_bytes(octets)
    clean(message)
    return message
