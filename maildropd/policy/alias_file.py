# SPDX-License-Identifier: Apache-2.0
"""The form of /etc/aliases: names, and the values that stand for each.

A line that begins with a blank goes on with the one before it.  What is wrong
with an entry is kept in its place, so that only its own name suffers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Nothing is given back, so that no way back is remembered for each character.
_COMMENT = re.compile(r"\s*+(?:#.*)?")
_NAME = re.compile(r'\s*+(?:"([^"]++)"|([^\s:"]++))\s*+:')
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|\\.|[^",\\]++)++', re.DOTALL)
_QUOTED = re.compile(r'([|/]?)"((?:[^"\\]|\\.)*+)"', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """One entry."""

    name: str  # in lower case
    values: tuple[str, ...]
    line: int
    wrong: str = ""  # what cannot be understood of it; then there are no values


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongLine:
    """A line that is no entry, not even a wrong one."""

    line: int
    wrong: str


def entries(text: str) -> Iterator[Alias | WrongLine]:
    """Yield what a file says, entry by entry."""
    for line, joined in _joined(text):
        found = _NAME.match(joined)
        if not found:
            yield WrongLine(line=line, wrong="has no name and colon at its beginning")
            continue
        name, values, wrong = (found[1] or found[2]).lower(), tuple[str, ...](), ""
        try:
            values = tuple(split_values(joined[found.end() :]))
        except ValueError as error:
            wrong = str(error)
        yield Alias(name=name, values=values, line=line, wrong=wrong)


def included(text: str) -> Iterator[str]:
    """Yield the values of an included file; raise ``ValueError``."""
    for line in text.split("\n"):
        if not _COMMENT.fullmatch(line):
            yield from split_values(line)


def split_values(text: str) -> Iterator[str]:
    """Yield values between commas, without the quotes around a whole one."""
    at = 0
    while at < len(text):
        found = _WORD.match(text, at)
        if not found:
            if text[at] == ",":
                at += 1
                continue
            is_quote = text[at] == '"'
            raise ValueError("has a quote without end" if is_quote else "ends in a \\")
        at = found.end()
        if word := found[0].strip():
            yield _unquoted(word)


def _unquoted(word: str) -> str:
    """``"|command a, b"`` and ``|"command a, b"`` are the same."""
    found = _QUOTED.fullmatch(word)
    if not found:
        return word
    inner = re.sub(r"\\(.)", r"\1", found[2])
    if found[1] or inner.startswith(("|", "/", ":include:")):
        return found[1] + inner
    return word  # a quoted local part: the quotes belong to it


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield entries with the number of their first line."""
    start, held = 0, list[str]()
    for number, line in enumerate(text.split("\n"), 1):
        if _COMMENT.fullmatch(line):
            continue
        if held and line[0] in " \t":
            held.append(line.strip())
            continue
        if held:
            yield start, " ".join(held)
        start, held = number, [line.rstrip("\r")]
    if held:
        yield start, " ".join(held)
