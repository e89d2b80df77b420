# SPDX-License-Identifier: Apache-2.0
"""What is said to the submission socket, and what its replies mean.

Only words: whoever has a connection sends what is asked for here, and brings
the replies.  So the dialogue is the same with threads and with asyncio.
"""

from collections.abc import Sequence
from typing import NamedTuple

from maildropd.client.errors import NotAccepted
from maildropd.client.values import Submission

HELLO = b"EHLO localhost\r\n"
_AT_ONCE = 256 * 1024  # octets
_QUEUED = "queued as "
_TOO_MANY = "4.5.3"  # of one message, whenever it comes


class Again(Exception):
    """Not now: the daemon is full, or about to stop; the text is its own."""


class Absent(Exception):
    """Nobody is there who takes mail; the text says why."""


class Lost(Exception):
    """The connection is no more; what became of the mail, nobody said."""

    def __init__(self, text: str, *, again: bool = True) -> None:
        """Say why, and whether another connection may be better."""
        super().__init__(text)
        self.again = again


class Reply(NamedTuple):
    """One reply, in the parts that count."""

    code: int
    text: str  # enhanced status and words, of all its lines

    @property
    def status(self) -> str:
        """The enhanced status code, or the class alone."""
        word = self.text.partition(" ")[0]
        return word if word.count(".") == 2 else f"{self.code // 100}.0.0"

    @property
    def words(self) -> str:
        """What it says behind the status."""
        return self.text.removeprefix(self.status).strip()


class Replies:
    """Takes replies out of octets that may be cut anywhere."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._held = b""

    def feed(self, octets: bytes) -> None:
        """Take what came."""
        self._held += octets

    def next(self) -> Reply | None:
        """Return the next one that is whole; raise ``Lost`` if it is none."""
        at, words = 0, []
        while (end := self._held.find(b"\r\n", at)) >= 0:
            line = self._held[at:end].decode("utf-8", "replace")
            at = end + 2
            words.append(line[4:])
            if line[3:4] != "-":
                self._held = self._held[at:]
                return Reply(_code(line), " ".join(words))
        return None


def greeting(reply: Reply) -> None:
    """Look at the first words of a daemon; raise ``Again``."""
    if reply.code != 220:
        raise Again(_said(reply))


def hello(reply: Reply) -> None:
    """Look at the answer to ``HELLO``; raise ``Again``."""
    if reply.code != 250:
        raise Again(_said(reply))


def at_once(one: Submission, reply: Reply) -> bool:
    """Tell whether all can be said in one, by the answer to ``HELLO``.

    A large mail had better be refused before it is sent.
    """
    return one.size <= _AT_ONCE and " XDATA " in f"{reply.text} "


def envelope(one: Submission, sha256: str = "") -> tuple[bytes, int]:
    """Return all that is said before the content, and how many replies it has."""
    said = f"{_named(one, sha256)}DATA\r\n"
    return _octets(said), len(one.recipients) + 2


def _named(one: Submission, sha256: str) -> str:
    mail = [f"MAIL FROM:<{one.sender or ''}> SIZE={one.size} XKEY={one.key}"]
    mail += [] if one.content.isascii() else ["BODY=8BITMIME"]
    addresses = (one.sender or "", *one.recipients)
    mail += [] if all(map(str.isascii, addresses)) else ["SMTPUTF8"]
    for name, value in (("RET", one.ret), ("ENVID", one.envid), ("XVERP", one.verp)):
        mail += [f"{name}={value}"] if value else []
    mail += [f"XSHA256={sha256}"] if sha256 else []
    notify = f" NOTIFY={one.notify}" if one.notify else ""
    rcpt = "".join(f"\r\nRCPT TO:<{each}>{notify}" for each in one.recipients)
    return f"{' '.join(mail)}{rcpt}\r\n"


def whole(one: Submission, sha256: str = "") -> bytes:
    """Return all that is said of a mail, its content too.

    The daemon takes the content only if nobody is refused.
    """
    return _octets(f"{_named(one, sha256)}XDATA {one.size}\r\n") + one.content


def _octets(words: str) -> bytes:
    return words.encode("utf-8", "surrogateescape")


def check(one: Submission, replies: Sequence[Reply]) -> None:
    """Look at the replies up to that to DATA; raise ``NotAccepted`` or ``Again``.

    Nothing may be sent then: a connection that waits for content is closed.
    """
    *envelope, data = replies
    check_envelope(one, envelope)
    if data.code != 354:
        raise _refusal(data)


def check_envelope(one: Submission, replies: Sequence[Reply]) -> None:
    """Look at the replies to an envelope; raise ``NotAccepted`` or ``Again``."""
    mail, *named = replies
    if mail.code != 250:
        raise _refusal(mail)
    refused = [
        (recipient, reply)
        for recipient, reply in zip(one.recipients, named, strict=True)
        if reply.code != 250
    ]
    for_good = [each for each in refused if _is_final(each[1])]
    if for_good:
        who = tuple(recipient for recipient, _ in for_good)
        raise _refusal(for_good[0][1], who)
    for _, reply in refused:
        raise _refusal(reply)


def content(one: Submission) -> bytes:
    """Return the content as it is sent, with the dot that ends it."""
    octets = one.content
    if octets.startswith(b"."):
        octets = b"." + octets
    return octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def queue_id(reply: Reply) -> str | None:
    """Return what the daemon calls the mail; raise ``NotAccepted`` or ``Again``."""
    if reply.code != 250:
        raise _refusal(reply)
    _, found, name = reply.text.partition(_QUEUED)
    return name.strip() if found else None


def _code(line: str) -> int:
    if not (line[:3].isascii() and line[:3].isdigit()):
        raise Lost(f"no reply of SMTP: {line[:40]!r}", again=False)
    return int(line[:3])


def _is_final(reply: Reply) -> bool:
    return reply.code >= 500 or reply.status == _TOO_MANY


def _refusal(reply: Reply, who: tuple[str, ...] = ()) -> Exception:
    if _is_final(reply):
        return NotAccepted(reply.words, reply.code, reply.status, who)
    return Again(_said(reply))


def _said(reply: Reply) -> str:
    return f"{reply.code} {reply.text}"
