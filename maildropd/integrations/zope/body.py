# SPDX-License-Identifier: Apache-2.0
"""The text of a message in octets: its character set, and its transfer encoding.

A part that names its character set keeps it.  What is encoded already, in a
character set or for the transfer, is never encoded again, and a part that is no
text is left alone.
"""

import base64
import quopri
from collections.abc import Iterator
from dataclasses import dataclass
from email.charset import BASE64, QP, Charset
from email.message import Message

from Products.MailHost.MailHost import MailHostError

ENCODINGS = ("base64", "quoted-printable", "7bit", "8bit")

_CTE = "Content-Transfer-Encoding"
_CLEAR = ("", "7bit", "8bit", "binary")
_OCTETS = "surrogateescape"  # how a parsed message holds octets in a text


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How text is to be written, where it does not say so itself."""

    charset: str | None = None
    encode: str | None = None

    def __post_init__(self) -> None:
        """Refuse what nobody could read."""
        if self.encode and self.encode not in ENCODINGS:
            known = ", ".join(ENCODINGS)
            raise MailHostError(f"encode: {self.encode!r} is none of {known}")
        if self.charset:
            to_octets("", self.charset)

    def transfer(self, *, named: bool, octets: bytes) -> str:
        """Return the encoding of a part; "" if it needs no word of it."""
        if self.encode in ("base64", "quoted-printable"):
            return self.encode
        if named and self.charset and not self.encode:
            usual = Charset(self.charset).body_encoding
            if usual in (QP, BASE64):
                return "base64" if usual == BASE64 else "quoted-printable"
        if not octets.isascii():
            return "8bit"
        return "7bit" if self.encode or named else ""


def to_octets(text: str, charset: str = "utf-8") -> str:
    """Return a text as a parsed message holds octets; raise ``MailHostError``."""
    try:
        return text.encode(charset, _OCTETS).decode("ascii", _OCTETS)
    except LookupError as error:
        raise MailHostError(f"there is no character set {charset!r}") from error
    except UnicodeEncodeError as error:
        raise MailHostError(f"the text cannot be written in {charset}") from error


def to_text(octets: bytes, charset: str) -> str:
    """Return octets as text; raise ``MailHostError``."""
    try:
        return octets.decode(charset)
    except LookupError as error:
        raise MailHostError(f"there is no character set {charset!r}") from error
    except UnicodeDecodeError as error:
        raise MailHostError(f"the text is not in {charset}: {error.reason}") from error


def encode_text(message: Message, coding: Coding) -> None:
    """Write all text of a message in octets; raise ``MailHostError``."""
    transfer = _transfer(message)
    if coding.encode and transfer not in (*_CLEAR, coding.encode):
        raise MailHostError("Message already encoded")
    for part in _leaves(message):
        _encode(part, coding)


def _leaves(message: Message) -> Iterator[Message]:
    """Yield the parts of a message, but not those of one that is attached."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _leaves(part)
    elif not message.is_multipart():
        yield message


def _encode(part: Message, coding: Coding) -> None:
    # get_payload() would make U+FFFD of each octet that it has no character for.
    payload = part._payload  # type: ignore[attr-defined]  # only here is it untouched
    if not isinstance(payload, str):
        return
    declared = part.get_content_charset()
    is_clear = _transfer(part) in _CLEAR
    if not (_is_octets(payload) and (declared or not is_clear)):
        payload = to_octets(payload, declared or coding.charset or "utf-8")
    octets = payload.encode("ascii", _OCTETS)
    part.set_payload(payload)
    if part.get_filename() is not None or not is_clear:
        return
    is_text = part.get_content_maintype() == "text"
    named = is_text and not declared and bool(coding.charset or not octets.isascii())
    if named:
        part.set_param("charset", coding.charset or "utf-8")
    transfer = coding.transfer(named=named, octets=octets)
    if transfer:
        del part[_CTE]
        part[_CTE] = transfer
        part.set_payload(_encoded(octets, transfer, is_text=is_text))


def _is_octets(text: str) -> bool:
    """Tell whether there is nothing in it that wants a character set."""
    try:
        text.encode("ascii", _OCTETS)
    except UnicodeEncodeError:
        return False
    return True


def finish(message: Message) -> None:
    """Say that it is MIME, if it is."""
    if (message.get(_CTE) or message.get("Content-Type")) and not message.get(
        "MIME-Version"
    ):
        del message["MIME-Version"]
        message["MIME-Version"] = "1.0"


def _transfer(part: Message) -> str:
    return str(part.get(_CTE, "")).strip().lower()


def _encoded(octets: bytes, transfer: str, *, is_text: bool) -> str:
    if transfer == "quoted-printable":
        return quopri.encodestring(octets).decode("ascii")
    if transfer == "base64":
        if is_text:  # RFC 2045 6.8: its lines end in CR LF before it is encoded
            octets = b"\r\n".join(octets.splitlines()) + octets[-1:].replace(
                b"\n", b"\r\n"
            )
        return base64.encodebytes(octets).decode("ascii")
    return octets.decode("ascii", _OCTETS)
