# SPDX-License-Identifier: Apache-2.0
"""An ordered list of patterns for recipients: the first that changes one counts."""

import re
import threading
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
        try:
            text = file.read()
        except Unreadable as error:  # what it said last goes on
            self._journal.emit(AliasesWrong(place=str(file.path), reason=str(error)))
            return
        self._lines = []
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            try:
                pattern, replacement = words
                compiled = re.compile(pattern)
                compiled.sub(replacement, "")  # a group that is not there
            except (ValueError, re.error) as error:
                place, reason = f"{file.path}:{number}", f"is no pattern ({error})"
                self._journal.emit(AliasesWrong(place=place, reason=reason))
            else:
                self._lines.append((number, compiled, replacement))


def _is_address(text: str) -> bool:
    try:
        return parse_list(text) == (text,)
    except BadAddress:
        return False
