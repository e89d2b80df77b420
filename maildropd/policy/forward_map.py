# SPDX-License-Identifier: Apache-2.0
"""An ordered list of patterns for recipients: the first that changes one counts."""

import re
import threading
from collections.abc import Sequence
from pathlib import Path

from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress
from maildropd.mail.event import Journal
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.kept_file import KeptFile, Unreadable


class ForwardMap:
    """The patterns of one file; safe to call from any thread."""

    def __init__(self, path: Path | None, journal: Journal) -> None:
        """Read the file when it is first needed; without one, change nothing."""
        self._file = KeptFile(path) if path else None
        self._journal = journal
        self._lock = threading.Lock()
        self._lines: list[tuple[int, re.Pattern[str], str]] = []

    def apply(self, address: str) -> tuple[str, str]:
        """Return what an address becomes, and the place that says so."""
        if self._file is None:
            return address, ""
        with self._lock:
            if self._file.changed():
                self._read(self._file)
            lines = self._lines
        for number, pattern, replacement in lines:
            changed = pattern.sub(replacement, address)
            if changed != address and _is_address(changed):
                return changed, f"{self._file.path}:{number}"
        return address, ""

    def _read(self, file: KeptFile) -> None:
        """Read the patterns; with trouble, what the file said last goes on."""
        try:
            text = file.read()
        except FileNotFoundError:
            self._say(str(file.path), "is not there")
            return
        except Unreadable as error:
            self._say(str(file.path), str(error))
            return
        self._lines = []
        for number, line in enumerate(text.split("\n"), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                self._lines.append((number, *_pattern(words)))
            except ValueError as error:
                self._say(f"{file.path}:{number}", str(error))

    def _say(self, place: str, reason: str) -> None:
        self._journal.emit(AliasesWrong(place=place, reason=reason))


def _pattern(words: Sequence[str]) -> tuple[re.Pattern[str], str]:
    """Return a pattern and its replacement; raise ``ValueError``."""
    if len(words) != 2:
        raise ValueError("is not a pattern, a blank, and a replacement")
    try:
        pattern = re.compile(words[0])
        pattern.sub(words[1], "")  # a group that is not there
    except (re.error, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"is no pattern ({error})") from error
    return pattern, words[1]


def _is_address(text: str) -> bool:
    try:
        return parse_list(text) == (text,)
    except BadAddress:
        return False
