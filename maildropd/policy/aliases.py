# SPDX-License-Identifier: Apache-2.0
"""Where local mail goes by /etc/aliases: one name's values, as they are now.

A file that it includes may be somebody else's: nothing runs because of what
is in it, and no link leads from it to what only the daemon may read.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

from maildropd.mail.errors import NotNow
from maildropd.mail.event import Journal
from maildropd.mail.reply import Reply
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.alias_file import Alias, WrongLine, entries, included
from maildropd.policy.kept_file import KeptFile, Unreadable

_INCLUDE = ":include:"
_NOT_INCLUDED = ("|", "/", ":")
_TOLD = 10  # wrong lines of one reading, in the log


class AliasTrouble(NotNow):
    """What the aliases say of a name cannot be done; a person can mend that."""

    default = Reply(451, "4.3.5")

    def __init__(self, text: str, reply: Reply | None = None) -> None:
        """Say what; of a file, any octets may be in it."""
        super().__init__(_shown(text), reply)


class _List:
    """The addresses in an included file, as they are now."""

    def __init__(self, path: Path) -> None:
        """Read the file when they are first asked for."""
        self._file = KeptFile(path, follow=False)
        self._values: tuple[str, ...] = ()
        self._trouble = ""

    def values(self) -> Sequence[str]:
        """Return them; raise ``ValueError``."""
        if self._file.changed():
            self._values, self._trouble = (), ""
            try:
                self._values = tuple(included(self._file.read()))
            except FileNotFoundError:
                self._trouble = "is not there"
            except (Unreadable, ValueError) as error:
                self._trouble = str(error)
            for value in self._values:
                if value.startswith(_NOT_INCLUDED):
                    self._trouble = f"has {value!a}, and may have addresses only"
        if self._trouble:
            raise ValueError(self._trouble)
        return self._values


class Aliases:
    """The names of one file; safe to call from any thread."""

    def __init__(self, path: Path, journal: Journal) -> None:
        """Read the file when a name is first asked for."""
        self._file = KeptFile(path)
        self._journal = journal
        self._lock = threading.Lock()
        self._known: dict[str, Alias] = {}
        self._lists: dict[str, _List] = {}
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
        if alias.wrong:
            raise AliasTrouble(f"{self.place(alias)}: {alias.name} {alias.wrong}")
        found: list[str] = []
        for value in alias.values:
            if value.lower().startswith(_INCLUDE):
                found.extend(self._included(alias, value[len(_INCLUDE) :].strip()))
            else:
                found.append(value)
        if not found:
            raise AliasTrouble(f"{self.place(alias)}: {alias.name} stands for nothing")
        return found

    def _included(self, alias: Alias, path: str) -> Sequence[str]:
        if not path.startswith("/"):
            raise AliasTrouble(f"{self.place(alias)}: {path} is no path from the root")
        with self._lock:
            known = self._lists.setdefault(path, _List(Path(path)))
            try:
                return known.values()
            except ValueError as error:
                raise AliasTrouble(f"{self.place(alias)}: {path} {error}") from error

    def _read(self) -> None:
        try:
            text = self._file.read()
        except FileNotFoundError:
            text = ""
        except Unreadable as error:
            self._say(str(self._file.path), str(error))
            if not self._known:
                self._trouble = f"{self._file.path} {error}"
            return
        self._trouble = ""
        self._known, self._lists = {}, {}
        wrong = 0
        for one in entries(text):
            trouble = self._added(one)
            if trouble and (wrong := wrong + 1) <= _TOLD:
                self._say(f"{self._file.path}:{one.line}", trouble)

    def _added(self, one: Alias | WrongLine) -> str:
        """Take an entry, or say why it does not count."""
        if isinstance(one, WrongLine):
            return one.wrong
        first = self._known.setdefault(one.name, one)
        if first is not one:
            return f"{one.name} has an entry in line {first.line}"
        return one.wrong and f"{one.name} {one.wrong}"

    def _say(self, place: str, reason: str) -> None:
        self._journal.emit(AliasesWrong(place=place, reason=_shown(reason)))


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
