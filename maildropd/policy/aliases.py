# SPDX-License-Identifier: Apache-2.0
"""Where local mail goes by /etc/aliases: one name's values, as they are now."""

import threading
from collections.abc import Sequence
from pathlib import Path

from maildropd.mail.errors import NotNow
from maildropd.mail.event import Journal
from maildropd.mail.reply import Reply
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.alias_file import Alias, entries, included
from maildropd.policy.kept_file import KeptFile, Unreadable, read_text

_INCLUDE = ":include:"
_TOLD = 10  # wrong lines of one reading, in the log


class AliasTrouble(NotNow):
    """What the aliases say of a name cannot be done; a person can mend that."""

    default = Reply(451, "4.3.5")


class Aliases:
    """The names of one file; safe to call from any thread."""

    def __init__(self, path: Path, journal: Journal) -> None:
        """Read the file when a name is first asked for."""
        self._file = KeptFile(path)
        self._journal = journal
        self._lock = threading.Lock()
        self._known: dict[str, Alias] = {}
        self._trouble = ""  # with the whole file, and nothing is known of before

    def find(self, local_part: str) -> Alias | None:
        """Return the entry of a name; raise ``AliasTrouble``.

        ``user+ext`` has that of ``user`` unless it has one of its own.
        """
        with self._lock:
            if self._file.changed():
                self._read()
            if self._trouble:
                raise AliasTrouble(self._trouble)
            name = local_part.strip('"').lower()
            return self._known.get(name) or self._known.get(name.partition("+")[0])

    def place(self, alias: Alias) -> str:
        """Return where an entry stands, for people."""
        return f"{self._file.path}:{alias.line}"

    def values(self, alias: Alias) -> Sequence[str]:
        """Return an entry's values, with included files in place."""
        found: list[str] = []
        for value in alias.values:
            if value.lower().startswith(_INCLUDE):
                found.extend(self._included(alias, value[len(_INCLUDE) :].strip()))
            else:
                found.append(value)
        if not found:
            raise AliasTrouble(f"{self.place(alias)}: {alias.name} stands for nothing")
        return found

    def _included(self, alias: Alias, path: str) -> list[str]:
        if not path.startswith("/"):
            raise AliasTrouble(f"{self.place(alias)}: {path} is no path from the root")
        try:
            return list(included(read_text(Path(path))))
        except FileNotFoundError as error:
            reason = "is not there"
            raise AliasTrouble(f"{self.place(alias)}: {path} {reason}") from error
        except (Unreadable, ValueError) as error:
            raise AliasTrouble(f"{self.place(alias)}: {path} {error}") from error

    def _read(self) -> None:
        try:
            text = self._file.read()
        except Unreadable as error:
            self._say(str(self._file.path), str(error))
            if not self._known:
                self._trouble = f"{self._file.path} {error}"
            return
        self._trouble = ""
        self._known = {}
        wrong = 0
        for one in entries(text):
            if isinstance(one, Alias):
                self._known.setdefault(one.name, one)
            elif (wrong := wrong + 1) <= _TOLD:
                self._say(f"{self._file.path}:{one.line}", one.reason)

    def _say(self, place: str, reason: str) -> None:
        self._journal.emit(AliasesWrong(place=place, reason=reason))
