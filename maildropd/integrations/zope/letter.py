# SPDX-License-Identifier: Apache-2.0
"""The header rules of a MailHost: what is sent, in whose name, and to whom.

Explicit arguments override the header; without them it gives the envelope.  Bcc
never leaves.  An address is never encoded, and nobody on a list is passed over.
"""

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from email import message_from_bytes, message_from_string, policy
from email.header import Header
from email.message import EmailMessage, Message
from email.utils import formatdate

from Products.MailHost.MailHost import MailHostError

from maildropd.integrations.zope.addresses import joined, mailboxes, unfolded
from maildropd.integrations.zope.body import (
    Coding,
    encode_text,
    finish,
    to_octets,
    to_text,
)

Text = str | bytes
Said = Text | Header

_LISTS = ("To", "Cc", "Bcc")
_OTHERS = ("From", "Sender", "Reply-To")

NO_RECIPIENTS = "No message recipients designated"
NO_FROM = "Message missing SMTP Header 'From'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the caller said besides the message."""

    mto: Said | Iterable[Said] | None = None
    mfrom: Said | None = None
    subject: Said | None = None
    encode: str | None = None
    charset: str | None = None
    msg_type: str | None = None

    def text(self, name: str, value: object) -> str:
        """Return an argument as text in one line."""
        if isinstance(value, bytes):
            value = to_text(value, self.charset or "utf-8")
        if not isinstance(value, str | Header):
            raise MailHostError(f"{name}: {value!r} is no text")
        line = unfolded(str(value))
        if "\r" in line or "\n" in line:
            raise MailHostError(f"{name}: a line end within {line[:80]!r}")
        return " ".join(line.splitlines())  # Unicode has more of them

    @property
    def recipients(self) -> list[str]:
        """Address lists that the caller named, if there is anything in them."""
        given = self.mto or ()
        parts = (given,) if isinstance(given, str | bytes | Header) else given
        return [each for part in parts if mailboxes(each := self.text("mto", part))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What goes to maildropd; recipients are lists as they were written."""

    content: bytes
    sender: str
    recipients: tuple[str, ...]


def letter(text: Text | Message, wishes: Wishes) -> Letter:
    """Apply the rules; raise ``MailHostError``."""
    try:
        return _letter(text, wishes)
    except UnicodeError as error:  # half a character, as a lone surrogate is
        raise MailHostError(f"text that cannot be written: {error}") from error


def _letter(text: Text | Message, wishes: Wishes) -> Letter:
    message = _parsed(text, wishes.charset)
    if wishes.msg_type and not message.get("Content-Type"):
        _set_type(message, wishes.text("msg_type", wishes.msg_type))
    recipients = _recipients(message, wishes)
    sender = _sender(message, wishes)
    _set_subject(message, wishes)
    for name in (*_LISTS, *_OTHERS):
        _tidy(message, name)
    del message["Bcc"]
    if not message.get("Date"):
        del message["Date"]
        message["Date"] = formatdate(localtime=True)
    encode_text(message, Coding(charset=wishes.charset, encode=wishes.encode))
    finish(message)
    return Letter(content=message.as_bytes(), sender=sender, recipients=recipients)


def _parsed(text: Text | Message, charset: str | None) -> Message:
    ours = policy.compat32.clone(linesep="\r\n")
    if isinstance(text, EmailMessage):
        # Its own way of setting fields is another one; its octets are the same.
        return message_from_bytes(bytes(text), policy=ours)
    if isinstance(text, Message):
        copy = deepcopy(text)
        copy.policy = ours
        return copy
    if isinstance(text, bytes) and not charset:
        return message_from_bytes(text, policy=ours)
    if isinstance(text, bytes):
        text = to_text(text, charset or "utf-8")
    return message_from_string(str(text), policy=ours)


def _set_type(message: Message, content_type: str) -> None:
    if content_type.count("/") != 1:
        raise MailHostError(f"msg_type: {content_type!r} is none")
    message.set_type(content_type)


def _recipients(message: Message, wishes: Wishes) -> tuple[str, ...]:
    if named := wishes.recipients:
        del message["To"]
        message["To"] = ", ".join(named)
        return tuple(named)
    if wishes.mto:
        raise MailHostError(NO_RECIPIENTS)
    lists = [unfolded(each) for name in _LISTS for each in _fields(message, name)]
    found = tuple(each for each in lists if mailboxes(each))
    if not found:
        raise MailHostError(NO_RECIPIENTS)
    return found


def _sender(message: Message, wishes: Wishes) -> str:
    """Return who sends it: the first of several authors."""
    if wishes.mfrom:
        del message["From"]
        message["From"] = wishes.text("mfrom", wishes.mfrom)
    elif message.get("From") is None:
        raise MailHostError(NO_FROM)
    authors = mailboxes(unfolded(next(_fields(message, "From"))))
    return authors[0] if authors else ""


def _set_subject(message: Message, wishes: Wishes) -> None:
    if wishes.subject:
        subject = wishes.text("subject", wishes.subject)
        del message["Subject"]
        charset = "us-ascii" if subject.isascii() else wishes.charset or "utf-8"
        message["Subject"] = Header(subject, charset, errors="replace").encode()
    elif not message.get("Subject"):
        del message["Subject"]
        message["Subject"] = "[No Subject]"


def _tidy(message: Message, name: str) -> None:
    """Write the lists of one field so that every reader finds the same in them."""
    found = list(_fields(message, name))
    tidy = [joined(unfolded(each)) for each in found]
    if tidy == found and all(each.isascii() for each in found):
        return
    values = list(map(to_octets, tidy))
    if len(values) == 1:
        message.replace_header(name, values[0])
        return
    del message[name]
    for value in values:
        message[name] = value


def _fields(message: Message, name: str) -> Iterator[str]:
    """Yield the values of a field, whoever wrote them: program, text or octets."""
    for key, value in message.raw_items():
        if key.lower() == name.lower():
            text = str(value)
            try:
                octets = text.encode("ascii", "surrogateescape")
            except UnicodeEncodeError:
                yield text
                continue
            try:
                yield octets.decode("utf-8")
            except UnicodeDecodeError:
                yield octets.decode("latin-1")
