# SPDX-License-Identifier: Apache-2.0
"""What a server says: code, enhanced status and text (RFC 5321 4.2, RFC 3463)."""

import re
from dataclasses import dataclass

_STATUS = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_TEXT_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; of ours or of a server's.

    ``status`` always has the class of ``code``: a server's contradiction
    ("250 5.1.1") is settled in favour of the code (RFC 3463 section 2).
    """

    code: int
    status: str
    text: str = ""

    def __post_init__(self) -> None:
        """Refuse what no server may say."""
        if not 200 <= self.code <= 599:
            raise ValueError(f"{self.code} is not a reply code")
        if not _STATUS.fullmatch(self.status):
            raise ValueError(f"{self.status!r} is not an enhanced status")

    @classmethod
    def parse(cls, code: int, text: bytes | str) -> "Reply":
        """Make a reply of what a server sent, whatever that was.

        Never raise: octets that are not UTF-8 are replaced, characters that
        control a terminal or turn its lines round become blanks, and long
        text is cut.
        """
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if not 200 <= code <= 599:
            text, code = f"{code} {text}", 451
        lines = [line.strip() for line in text.splitlines()]
        found = _STATUS.match(lines[0]) if lines else None
        status = found[1] if found else ""
        if found:
            lines = [_without(line, found[1]) for line in lines]
        said = _printable(" ".join(filter(None, lines))[: 2 * _TEXT_LIMIT])
        own_class = str(min(code // 100, 5)) if code >= 400 else "2"
        if not status.startswith(own_class):
            status = f"{own_class}.0.0"
        return cls(code, status, said.strip()[:_TEXT_LIMIT])

    @property
    def positive(self) -> bool:
        """2yz and 3yz go on."""
        return self.code < 400

    @property
    def transient(self) -> bool:
        """4yz: the same again later may work (RFC 5321 4.2.1)."""
        return 400 <= self.code < 500

    @property
    def permanent(self) -> bool:
        """5yz: the same again will not work."""
        return self.code >= 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " for each in text)


def _without(line: str, status: str) -> str:
    return line.removeprefix(status).strip()
