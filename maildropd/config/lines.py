# SPDX-License-Identifier: Apache-2.0
"""The form of a configuration file: systemd's INI, with line numbers kept.

``[section NAME]``, ``key = value``, comments on lines of their own with # or ;
and a backslash at the end to go on in the next line.  What a section or key
means is not known here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from maildropd.config.errors import Mistake, Place

_HEADER = re.compile(r"\[\s*([^\s\]]+)(?:\s+([^\s\]]+))?\s*\]")
_KEY = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)\s*=\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``[kind name]``; most kinds have no name."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"[{self.kind} {self.name}]" if self.name else f"[{self.kind}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one line says; a section's header has no key."""

    place: Place
    section: Section
    key: str = ""
    value: str = ""


def parse(file: Path, content: bytes) -> Iterator[Line | Mistake]:
    """Yield what each line says, or what is wrong with it.

    Lines after a header that is wrong are passed over: one mistake, one word.
    """
    section: Section | None = None
    lost = False
    for number, raw in _joined(content):
        place = Place(file=file, line=number)
        line = _said(place, raw, section)
        match line:
            case Line(key=""):
                section, lost = line.section, False
            case Mistake() if raw.startswith(b"["):
                section, lost = None, True
            case Mistake() if lost:
                continue
            case _:
                pass
        yield line


def _joined(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield lines that say something, continued ones as one, by first number."""
    start, held = 0, list[bytes]()
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = raw.strip()
        if line.startswith((b"#", b";")):  # also within a continued line
            continue
        start = start or number
        if line.endswith(b"\\"):
            held.append(line[:-1])
            continue
        if whole := b" ".join([*held, line]).strip():
            yield start, whole
        start = 0
        held.clear()
    if whole := b" ".join(held).strip():
        yield start, whole


def _said(place: Place, raw: bytes, section: Section | None) -> Line | Mistake:
    try:
        text = raw.decode("utf-8").replace("\t", " ")
    except UnicodeDecodeError:
        return Mistake(place=place, text="is not UTF-8")
    if not text.isprintable():  # before any of it is shown
        return Mistake(place=place, text="contains a control character")
    if header := _HEADER.fullmatch(text):
        said = Section(kind=header[1], name=header[2] or "")
        return Line(place=place, section=said)
    pair = _KEY.fullmatch(text)
    if pair and section:
        return Line(place=place, section=section, key=pair[1], value=pair[2].strip())
    return Mistake(place=place, text=_trouble(text, pair))


def _trouble(text: str, pair: re.Match[str] | None) -> str:
    if text.startswith("["):
        # No further: a password may stand behind it, brought in by a backslash.
        begin = re.split(r"(?<=\])|=", text, maxsplit=1)[0].strip()
        if _HEADER.fullmatch(begin):
            return f"{begin}: more follows in its line"
        return f"{begin} is not a section (try [relay NAME])"
    if pair:
        return f"{pair[1]}: stands before any [section]"
    # Only the first word: a password may stand behind it.
    return f"{text.split(maxsplit=1)[0]}: not of the form key = value"
