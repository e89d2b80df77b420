# SPDX-License-Identifier: Apache-2.0
"""A reader of mail that is not ours: the standard library's email package."""

from collections.abc import Iterator
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from typing import NamedTuple

_OURS = frozenset(("content-transfer-encoding", "mime-version"))


class Seen(NamedTuple):
    """What a person sees of one part."""

    media: str
    name: str | None  # of an attachment
    fields: tuple[tuple[str, str], ...]
    text: bytes


def seen(octets: bytes) -> list[Seen]:
    """Return what a reader makes of a message: parts, texts, attachments, fields."""
    parts = [*message_from_bytes(octets).walk()]
    for one in parts:
        if label := one["Content-Transfer-Encoding"]:
            one.replace_header("Content-Transfer-Encoding", str(label).strip())
    return [_seen(one) for one in parts]


def _seen(one: "Message[str, str]") -> Seen:
    payload = b"" if one.is_multipart() else one.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return Seen(
        media=one.get_content_type(),
        name=_named(one).get_filename(),
        fields=tuple(_fields(one)),
        text=payload,
    )


def _named(one: "Message[str, str]") -> "Message[str, str]":
    """Return its fields of MIME with octets beyond ASCII read as UTF-8."""
    found: Message[str, str] = Message()
    for name, value in one.raw_items():
        if name.lower().startswith("content-"):
            octets = str(value).encode("utf-8", "surrogateescape")
            found[name] = octets.decode("utf-8", "replace")
    return found


def _fields(one: "Message[str, str]") -> Iterator[tuple[str, str]]:
    for name, value in one.raw_items():
        lowered = name.lower()
        if lowered not in _OURS and not lowered.startswith("content-"):
            yield lowered, read(str(value))


def read(value: str) -> str:
    """Return a field's value as a person reads it, folds taken out."""
    # A character for each octet: the decoder would write others as escapes.
    octets = value.encode("utf-8", "surrogateescape")
    plain = octets.replace(b"\r\n", b"").replace(b"\n", b"").decode("latin-1")
    words = [
        words if isinstance(words, bytes) else words.encode("latin-1")
        for words, _ in decode_header(plain)
    ]
    return " ".join(b"".join(words).decode("utf-8", "surrogateescape").split())
