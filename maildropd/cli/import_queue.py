# SPDX-License-Identifier: Apache-2.0
"""``maildropctl import-queue``: what waits in another system's queue, into ours.

Nothing of theirs is touched before all of it is safe here, and then only when
told to; what was interrupted is run again, and nothing comes twice.
"""

import hashlib
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from maildropd.cli.desk import Failed
from maildropd.cli.import_aside import Aside
from maildropd.cli.words import clean, count
from maildropd.client.errors import NotAccepted
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.queued import Queued
from maildropd.host import durable

Read = Callable[[Path], Iterator[Queued]]


class Door(Protocol):
    """Takes mail in; import_door.py has the real one."""

    def take(self, mail: Queued, key: str, *, hold: bool) -> str:
        """Return the queue id of what is safe; raise ``NotAccepted``, ``Failed``."""
        ...


@dataclass(slots=True, kw_only=True)
class Import:
    """One folder on its way to us."""

    system: str
    folder: Path
    read: Read
    hold: bool = False
    numbers: Counter[str] = field(default_factory=Counter)
    safe: dict[str, Path] = field(default_factory=dict)  # by key
    ids: set[str] = field(default_factory=set)

    def plan(self) -> Iterator[str]:
        """Say what would become of each mail; touch nothing."""
        for mail in self._mails():
            state = self._state(mail)
            self.numbers[state] += 1
            yield from self._told(mail, state, mail.why)

    def bring(self, door: Door, aside: Aside) -> Iterator[str]:
        """Take each mail in; raise ``Failed`` where that must end."""
        for mail in self._mails():
            state, why = self._state(mail), mail.why
            key = key_of(self.system, mail)
            if state in ("queued", "held"):
                state, why = self._taken(door, mail, key, state)
            if state == "quarantined":
                self._set_aside(aside, mail, key, why)
            if state != "left":
                self.safe[key] = mail.path
            self.numbers[state] += 1
            yield from self._told(mail, state, why)

    def check(self) -> None:
        """Raise ``Failed`` unless each mail is one of ours now."""
        taken = self.numbers["queued"] + self.numbers["held"]
        if taken != len(self.ids):
            numbers = f"{count(taken, 'mail')} taken, {len(self.ids)} in the queue"
            raise Failed(f"the numbers do not agree: {numbers}; nothing was removed")

    def remove(self) -> Iterator[str]:
        """Remove what is safe here and has not changed since."""
        removed, folders = 0, set[Path]()
        for mail in self._mails():
            if key_of(self.system, mail) not in self.safe:
                if self._state(mail) != "left":
                    yield f"{_shown(mail.path)}: is new, or has changed: run this again"
                continue
            for path in (mail.path, *mail.also):
                durable.remove(path)
                folders.add(path.parent)
            removed += 1
        for folder in folders:
            durable.sync_directory(folder)
        yield f"{count(removed, 'mail')} removed from {_shown(self.folder)}"

    def summary(self) -> str:
        """Return the numbers in one line."""
        total = count(sum(self.numbers.values()), "mail")
        states = ("queued", "held", "quarantined", "left")
        return f"{total}: " + ", ".join(f"{self.numbers[s]} {s}" for s in states)

    def _mails(self) -> Iterator[Queued]:
        try:
            yield from self.read(self.folder)
        except Unreadable as error:
            raise Failed(clean(error)) from error

    def _state(self, mail: Queued) -> str:
        if mail.state != "unreadable":
            return "held" if self.hold or mail.state == "held" else "queued"
        try:
            is_file = stat.S_ISREG(os.lstat(mail.path).st_mode)
        except OSError:
            is_file = False
        return "quarantined" if is_file else "left"

    def _taken(self, door: Door, mail: Queued, key: str, state: str) -> tuple[str, str]:
        try:
            self.ids.add(door.take(mail, key, hold=state == "held"))
        except NotAccepted as error:
            return "quarantined", f"it is refused here: {error}"
        return state, mail.why

    def _set_aside(self, aside: Aside, mail: Queued, key: str, why: str) -> None:
        try:
            aside.copy((mail.path, *mail.also), key, self.system, why)
        except OSError as error:
            text = f"{_shown(mail.path)}: cannot be set aside ({error.strerror})"
            raise Failed(text, "nothing was removed") from error

    def _told(self, mail: Queued, state: str, why: str) -> Iterator[str]:
        if state != "queued":
            why = f": {clean(why)}" if why else ""
            yield f"{state}: {_shown(mail.path)}{why}"


def key_of(system: str, mail: Queued) -> str:
    """Return a key that one mail in one file has, and no other.

    Two mails may be the same to the octet; the file, and when it was written,
    tell them apart.  It is the same for an import that is run again.
    """
    try:
        written = os.lstat(mail.path).st_mtime_ns
    except OSError:
        written = 0
    path = os.path.realpath(mail.path.parent).encode("utf-8", "surrogateescape")
    name = mail.path.name.encode("utf-8", "surrogateescape")
    envelope = repr((mail.reverse_path, mail.recipients)).encode(
        "ascii", "backslashreplace"
    )
    found = hashlib.sha256(usedforsecurity=False)
    for part in (system.encode(), path, name, str(written).encode(), envelope):
        found.update(b"%d:%s" % (len(part), part))
    found.update(mail.content)
    return found.hexdigest()[:32]


def _shown(path: Path) -> str:
    return clean(str(path))
