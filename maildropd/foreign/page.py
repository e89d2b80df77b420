# SPDX-License-Identifier: Apache-2.0
"""A page of our configuration, written line by line from somebody else's.

Each value is read by the daemon's own reader as it comes, so that what is
wrong with it is said of the line that it came from.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_type_hints

from maildropd.config import values
from maildropd.config.limits import LIMITS
from maildropd.config.lines import Section
from maildropd.config.said import MODELS
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported, Remark

_ROOT = Path("/")
_COMMENT = re.compile(r"\s[#;]")


class Page:
    """What becomes an ``Imported``."""

    def __init__(self, system: str, source: Path) -> None:
        """Begin; ``system`` and ``source`` stand in the first line."""
        self._title = f"# From {source}, of {system}."
        self._said: dict[Section, dict[str, str]] = {}
        self._secrets: dict[str, bytes] = {}
        self._remarks: dict[Remark, None] = {}  # each once

    def say(self, section: str, key: str, value: object, where: str) -> None:
        """Set a key; raise ``Unreadable`` of ``where`` for a value that cannot be."""
        kind, _, name = section.partition(" ")
        text = str(value)
        if not text:
            raise Unreadable(where, f"{key} would be empty")
        self._check((kind, key), text, where)
        self._said.setdefault(Section(kind=kind, name=name), {})[key] = text

    def note(self, where: str, key: str, text: str) -> None:
        """Remark on a setting."""
        self._remarks[Remark(where=where, key=key, text=text)] = None

    def keep(self, name: str, secret: bytes, where: str) -> None:
        """Take a password, which goes into a file of its own; never show it."""
        if not secret or any(sign in secret for sign in b"\r\n\0"):
            raise Unreadable(where, "the password is empty, or not of one line")
        self._secrets[name] = secret

    def has(self, section: str, key: str) -> bool:
        """Tell whether a key was set."""
        kind, _, name = section.partition(" ")
        return key in self._said.get(Section(kind=kind, name=name), {})

    def imported(self) -> Imported:
        """Return the whole."""
        return Imported(
            config=_text(self._title, self._said),
            secrets=self._secrets,
            remarks=tuple(self._remarks),
        )

    def _check(self, key: tuple[str, str], text: str, where: str) -> None:
        kind, name = key
        reader = values.reader(get_type_hints(MODELS[kind])[name], _ROOT)
        limit = LIMITS.get(key)
        try:
            value = reader(text)
            trouble = _unwritable(text) or (limit and limit(value))
        except ValueError as error:
            trouble = str(error)
        if trouble:
            shown = text if text.isprintable() else ascii(text)
            raise Unreadable(where, f'"{shown[:100]}" for {name} {trouble}')


def _unwritable(text: str) -> str:
    """Return why a value cannot stand in a file of ours, if it cannot."""
    if text != text.strip():
        return "begins or ends with a blank"
    if not text.isprintable():
        return "has a character that cannot be printed"
    if text.endswith("\\") or _COMMENT.search(text):
        return "ends in a backslash, or has a blank before # or ;"
    return ""


def _text(title: str, said: Mapping[Section, Mapping[str, str]]) -> str:
    pages = [
        "\n".join([str(section), *(f"{key} = {text}" for key, text in keys.items())])
        for section, keys in said.items()
    ]
    return "\n\n".join([title, *pages]) + "\n"
