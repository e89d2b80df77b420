# SPDX-License-Identifier: Apache-2.0
"""The grammar of MaildropHost's configuration: assignments, never executed.

``NAME=VALUE`` with a number, True, False, None or a quoted text of Python 2,
so that a shell can read the same file.  No message shows a value: it may be
half of a password.
"""

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost import literals

Value = str | int | float | bool | None
Assigned = dict[str, tuple[Value, int]]
"""Each variable with its value and line; the last assignment counts."""

LARGEST = 1 << 20  # octets; the one that MaildropHost comes with has 3,400

_BLANK = r"(?:[ \t\f]|\\\n)"
_IDLE = re.compile(rf"(?:{_BLANK}|\#[^\n]*|\n)*")
_BLANKS = re.compile(rf"{_BLANK}*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_END = re.compile(r"[ \t\f\n\\#]|\Z")
_WORDS: Mapping[str, bool | None] = {"True": True, "False": False, "None": None}
_USE = "write NAME=VALUE, one in a line"


def load(path: Path) -> Assigned:
    """Read a file; raise ``Unreadable`` for what is none of this kind."""
    try:
        content = _content(path)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Unreadable(str(path), f"cannot be read ({why})") from error
    # What is no UTF-8 may stand in a comment; in a value it is complained of.
    text = content.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    return parse(text, str(path))


def parse(text: str, where: str) -> Assigned:
    """Return what a text assigns; raise ``Unreadable`` at its first error."""
    reading = _Reading(text.replace("\r\n", "\n"), where)
    found: Assigned = {}
    while reading.goes_on():
        line = reading.line
        name = reading.name()
        found[name] = (reading.value(name), line)
    return found


def _content(path: Path) -> bytes:
    # Not blocking: a pipe in its place would hold whoever reads it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable(str(path), "is no plain file (name the file itself)")
        if status.st_size > LARGEST:
            raise Unreadable(str(path), "is too large for a configuration")
        return file.read(LARGEST)


class _Reading:
    """A place in the text, which moves on."""

    def __init__(self, text: str, where: str) -> None:
        self._text = text
        self._where = where
        self._at = 0
        self.line = 1

    def goes_on(self) -> bool:
        """Pass over blanks, comments and line ends; tell whether more follows."""
        self._pass(_IDLE)
        return self._at < len(self._text)

    def name(self) -> str:
        """Take ``NAME=``."""
        found = _NAME.match(self._text, self._at)
        if not found:
            what = self._text[self._at]
            shown = what if what.isprintable() else ascii(what)[1:-1]
            raise self._wrong(f"an assignment cannot begin with {shown} ({_USE})")
        self._at = found.end()
        self._pass(_BLANKS)
        if not self._text.startswith("=", self._at):
            raise self._wrong(_no_assignment(found[0]))
        self._at += 1
        if found[0] in _WORDS:
            raise self._wrong(f"{found[0]} is a value, and no variable ({_USE})")
        return found[0]

    def value(self, name: str) -> Value:
        """Take what is assigned, with the blank behind it."""
        self._pass(_BLANKS)
        value = self._literal(name)
        if not _END.match(self._text, self._at):
            raise self._wrong(
                f"{name}: the value is followed by something else (one value, in"
                ' quotes if it is a text, and a blank behind it: NAME="...")'
            )
        return value

    def _literal(self, name: str) -> Value:
        text, at = self._text, self._at
        try:
            if found := literals.number(text, at) or literals.string(text, at):
                value, self._at = found
                self.line += text.count("\n", at, self._at)
                return value
        except ValueError as error:
            raise self._wrong(f"{name}: {error}") from None
        word = _NAME.match(text, at)
        if word and word[0] in _WORDS:
            self._at = word.end()
            return _WORDS[word[0]]
        raise self._wrong(f"{name}: {_no_value(text, at)}")

    def _pass(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found:
            self.line += self._text.count("\n", self._at, found.end())
            self._at = found.end()

    def _wrong(self, why: str) -> Unreadable:
        return Unreadable(f"{self._where}:{self.line}", why)


def _no_assignment(name: str) -> str:
    if name == "export":
        return "export has no place here (write NAME=VALUE without it)"
    return f"{name[:40]} is not assigned anything ({_USE})"


def _no_value(text: str, at: int) -> str:
    """Say what stands there in place of a value, and never the thing itself."""
    first = text[at : at + 1]
    if first in ("", "\n", "#"):
        return 'has no value (write "" for an empty one)'
    if first == "$":
        return "a $ is not expanded (write the value itself, in quotes)"
    if first in "-+":
        return "a number has no sign (write it without)"
    if first in "[({":
        return 'a list is no value (write one text, "a;b" for several folders)'
    if first == "=":
        return "has two equal signs (write one)"
    return 'a text needs quotes (write NAME="...")'
