# SPDX-License-Identifier: Apache-2.0
"""Mails by number: what a user drops, and what must arrive of it.

Standard library only, because the machine runs this file too: as a program it
drops mails FIRST, FIRST + STEP, ... up to LAST, as whoever runs it.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

_SHAPES = (
    b"short and plain\n",
    "Gr\u00fc\u00dfe, \u4f60\u597d, in octets of eight bits\n".encode(),
    b".\n..\n.leading dots\nFrom the start of a line\n.\n",
    b"the last line has no end",
    b"long " + b"x" * 985 + b"\n",
    b"blanks at the end  \t\n\n  \n\n\n",
    b"##To: nobody@example.test\n##From: a body may look like this\n",
    b"",
)
_LARGE = b"".join(b"%06d %s\n" % (n, b"large" * 12) for n in range(4500))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail: every even number is RFC 5322, every odd MaildropHost's form."""

    number: int

    @property
    def recipients(self) -> tuple[str, ...]:
        one = f"m{self.number}@example.test"
        return (one, f"bcc-{one}") if self.number % 10 == 4 else (one,)

    @property
    def sender(self) -> str:
        return f"sender-{self.number}@drop.test"

    @property
    def content(self) -> bytes:
        """What must arrive, with LF at line ends."""
        return self._head() + b"\n" + self._body()

    @property
    def octets(self) -> bytes:
        """What is written into the drop."""
        if self.number % 2:
            envelope = f"##To:{', '.join(self.recipients)}\n##From:{self.sender}\n"
            return envelope.encode() + self.content
        blind = "".join(f"Bcc: {who}\n" for who in self.recipients[1:])
        text = blind.encode() + self.content
        # Programs write either line end; on the wire there is only one.
        return text.replace(b"\n", b"\r\n") if self.number % 16 == 8 else text

    def drop(self, folder: str) -> None:
        """Leave the mail as programs do: in place under a lock or not, or renamed."""
        if self.number % 4 < 2:
            name = (
                f"{100000 + self.number}" if self.number % 2 else f"{self.number}.eml"
            )
            hidden = f"{folder}/.{self.number}.tmp"
            self._write(hidden)
            os.rename(hidden, f"{folder}/{name}")
        elif self.number % 2:
            name = f"{folder}/{100000 + self.number}"
            with open(f"{name}.lck", "w", encoding="ascii") as lock:
                lock.write("locked")
            self._write(name)
            os.unlink(f"{name}.lck")
        else:
            self._write(f"{folder}/mail-{self.number}")

    def _head(self) -> bytes:
        lines = (
            f"From: A Sender <{self.sender}>",
            f"To: {self.recipients[0]}",
            f"Subject: mail {self.number},\n folded",
            "Date: Sat, 21 Nov 2026 07:00:00 +0000",
            f"Message-ID: <{self.number}@drop.test>",
            f"X-Mail: {self.number}",
        )
        return "".join(f"{line}\n" for line in lines).encode()

    def _body(self) -> bytes:
        if self.number % 100 == 50:
            return _LARGE  # beyond what is kept in a row of the store
        return _SHAPES[self.number // 2 % len(_SHAPES)]

    def _write(self, path: str) -> None:
        with open(path, "xb", buffering=0) as file:
            octets = self.octets
            middle = len(octets) // 2
            file.write(octets[:middle])
            file.write(octets[middle:])


def mails(numbers: range) -> Iterator[Mail]:
    """Yield the mails of a range."""
    for number in numbers:
        yield Mail(number=number)


def copies(numbers: range) -> int:
    """Return how many copies of a range are to arrive."""
    return sum(len(mail.recipients) for mail in mails(numbers))


def main(folder: str, first: str, last: str, step: str) -> None:
    for mail in mails(range(int(first), int(last), int(step))):
        mail.drop(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
