# SPDX-License-Identifier: Apache-2.0
"""A report as it is sent: multipart/report (RFC 6522), for people and programs.

Made by hand, octet by octet: what is quoted in it is never decoded, so nothing
that anybody wrote can break it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from maildropd.bounce import status, words
from maildropd.bounce.case import Case, Letterhead
from maildropd.bounce.fields import date, field, message_id, referred, visible
from maildropd.bounce.original import Excerpt, quoted_printable


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    kind: str
    encoding: str
    octets: bytes
    description: str


def report(case: Case, head: Letterhead, original: Excerpt | None) -> bytes:
    """Return the whole message; without an original if that cannot be read."""
    parts = [
        _text(words.text(case, head.host, _returned(original)), "Notification"),
        _status(status.fields(case, head.host, in_utf8=head.in_utf8)),
    ]
    if original is not None:
        parts.append(
            _Part(
                kind=original.kind,
                encoding=original.encoding,
                octets=original.octets,
                description="The message" if original.whole else "Its header",
            )
        )
    boundary = f"={head.queue_id}.{head.token}"
    kind = parts[1].kind.removeprefix("message/")
    header = [
        *heading(head, words.subject(case)),
        *_references(case),
        f"Content-Type: multipart/report; report-type={kind};\n",
        f'\tboundary="{boundary}"\n',
        *(["Content-Transfer-Encoding: 8bit\n"] if _eight_bit(parts) else []),
    ]
    return b"".join([_encoded("".join(header)), b"\n", *_joined(parts, boundary)])


def plain(head: Letterhead, subject: str, text: str) -> bytes:
    """Return a message of ours that is text alone."""
    part = _text(text, "")
    header = [*heading(head, subject), *_described(part)]
    return _encoded("".join(header)) + b"\n" + part.octets


def heading(head: Letterhead, subject: str) -> Iterator[str]:
    """Yield what each message of ours begins with."""
    yield f"Date: {date(head.now)}\n"
    yield f"From: Mail Delivery System <MAILER-DAEMON@{head.host}>\n"
    # In one piece: a fold within an address would be part of it to some.
    yield f"To: <{visible(head.to)}>\n"
    yield field("Subject", subject)
    yield f"Message-ID: {message_id(head.queue_id, head.host)}\n"
    yield "Auto-Submitted: auto-replied\n"
    yield "MIME-Version: 1.0\n"


def _references(case: Case) -> Iterator[str]:
    if name := referred(case.mail.message_id):
        yield f"In-Reply-To: {name}\n"
        yield f"References: {name}\n"


def _returned(original: Excerpt | None) -> str:
    if original is None:
        return "Your message cannot be shown: it can be read no more."
    return f"{'Your message' if original.whole else 'Its header'} comes with this."


def _text(text: str, description: str) -> _Part:
    octets = _encoded(text)
    if octets.isascii():
        kind, encoding = "text/plain; charset=us-ascii", "7bit"
    else:
        # Not 8 bits: then it can go wherever the sender's mail comes from.
        kind, encoding = "text/plain; charset=utf-8", "quoted-printable"
        octets = quoted_printable(octets)
    return _Part(kind=kind, encoding=encoding, octets=octets, description=description)


def _status(fields: str) -> _Part:
    octets, name = _encoded(fields), "Delivery report"
    if octets.isascii():
        kind, encoding = "message/delivery-status", "7bit"
    else:
        kind, encoding = "message/global-delivery-status", "8bit"
    return _Part(kind=kind, encoding=encoding, octets=octets, description=name)


def _joined(parts: list[_Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        yield f"--{boundary}\n{''.join(_described(part))}\n".encode("ascii")
        yield part.octets
        yield b"\n"  # it belongs to the boundary
    yield f"--{boundary}--\n".encode("ascii")


def _described(part: _Part) -> Iterator[str]:
    if part.description:
        yield f"Content-Description: {part.description}\n"
    yield f"Content-Type: {part.kind}\n"
    yield f"Content-Transfer-Encoding: {part.encoding}\n"


def _eight_bit(parts: list[_Part]) -> bool:
    return any(part.encoding == "8bit" for part in parts)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
