# SPDX-License-Identifier: Apache-2.0
"""Mails by number: what is left in the drop, and what the sink is to do with it.

An address says how its server behaves: ``ok.7.0@``, ``no.7.1@`` is refused,
``later2.7.2@`` is put off twice.  So sink and judge need no other plan.
"""

import hashlib
import random
from dataclasses import dataclass
from enum import StrEnum

DOMAIN = "power.test"
_LINE = b"%d %d the quick brown fox jumps over the lazy dog; .dots.\n.\n..two\n"
_BAD = (
    b"##To: %s\n##From: a@power.test\n## no colon\nhello\n",
    b"##To: one two three %s\n##From: a@power.test\n\nhello\n",
    b"##To %s\nSubject: no colon\n\nhello\n",
    b"Subject: nobody is named\n\n%s\n",
)


class Wish(StrEnum):
    """What an operator wants to be done with a message, once it waits."""

    NONE = ""
    HOLD = "hold"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message, wholly determined by its number and a seed."""

    key: int
    addresses: tuple[str, ...]
    sender: str
    wish: Wish
    size: int  # of the body, about

    @property
    def name(self) -> str:
        """The file's name in the drop."""
        return f"{100000 + self.key}"

    @property
    def octets(self) -> bytes:
        """What is written into the drop."""
        to = ", ".join(self.addresses)
        if self.key % 2:
            return f"##To: {to}\n##From: {self.sender}\n".encode() + self.content
        return self.content

    @property
    def content(self) -> bytes:
        """What is to arrive, with LF at line ends."""
        head = (
            f"From: {self.sender}\nTo: {', '.join(self.addresses)}\n"
            f"Subject: {self.key}\nMessage-ID: <{self.key}@{DOMAIN}>\n\n"
        )
        lines = range(self.size // len(_LINE) + 1)
        return head.encode() + b"".join(_LINE % (self.key, n) for n in lines)

    def digest(self) -> bytes:
        """Return the digest of what goes over the wire."""
        return digest(self.content.replace(b"\n", b"\r\n"))


def letter(key: int, seed: int) -> Letter:
    """Make up a message."""
    chance = random.Random(f"{seed}/{key}")
    wish = chance.choices([*Wish], [85, 9, 6])[0]
    count = chance.choices([1, 2, 4], [75, 15, 10])[0]
    manners = (
        ["later3"] * count
        if wish
        else chance.choices(["ok", "later1", "later2", "no"], [72, 10, 8, 10], k=count)
    )
    size = chance.choices([300, 6_000, 60_000, 400_000], [70, 15, 10, 5])[0]
    kind = chance.choices(["plain", "slow5", "slow30", "dot1"], [74, 15, 4, 7])[0]
    return Letter(
        key=key,
        addresses=tuple(
            f"{manner}.{key}.{n}@{DOMAIN}" for n, manner in enumerate(manners)
        ),
        sender=f"{kind}.{key}.s@{DOMAIN}",
        wish=wish,
        size=size + chance.randrange(size),
    )


def bad(key: int) -> bytes:
    """Return a file that is no message; nothing of it may ever be sent."""
    return _BAD[key % len(_BAD)] % f"bad.{key}.0@{DOMAIN}".encode()


def draft(key: int) -> bytes:
    """Return what would be a message, if its writer ever finished it."""
    return f"##To: draft.{key}.0@{DOMAIN}\n##From: a@{DOMAIN}\n\ndraft\n".encode()


def parsed(address: str) -> tuple[str, int, int]:
    """Return manner, key and number of an address; the manner's count is in it."""
    manner, key, number = address.partition("@")[0].split(".")
    return manner, int(key), int(number) if number.isdigit() else 0


def times(manner: str, word: str) -> int:
    """Return the number behind a word, ``2`` of ``later2``; 0 for other words."""
    return int(manner.removeprefix(word)) if manner.startswith(word) else 0


def digest(octets: bytes) -> bytes:
    """Return what two messages have in common only if they are the same."""
    return hashlib.sha256(octets).digest()
