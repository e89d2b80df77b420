# SPDX-License-Identifier: Apache-2.0
"""Who sends a mail of a Maildir: ``.sending-NAME`` beside it says that somebody does.

zope.sendmail and repoze.sendmail link the mail to that name; we make an empty
file there, which keeps them off as well, needs no right to the mail itself, and
is known as ours when we come back.
"""

import os
from contextlib import suppress
from datetime import timedelta

from maildropd.config.model import SpoolConfig
from maildropd.edge.spool.left import LeftAlone
from maildropd.edge.spool.rest import NextLook, Rest
from maildropd.edge.spool.sight import Sight, shown
from maildropd.mail.errors import NotYet
from maildropd.mail.event import Journal
from maildropd.mail.service_events import SenderGone

# The second of each is how the manual of gs.email spells it.
_SENDING = (b".sending-", b".sending_")
_REJECTED = (b".rejected-", b".rejected_")
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NOW = timedelta(0)


def subject(name: bytes) -> bytes | None:
    """Return the mail that a name beside it speaks of, if it is such a name."""
    for prefix in (*_SENDING, *_REJECTED):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return None


class Sending:
    """The marks in one directory; the lock on it keeps other daemons of ours out."""

    def __init__(
        self, config: SpoolConfig, journal: Journal, rest: Rest, next_look: NextLook
    ) -> None:
        """Hold nothing."""
        self._config = config
        self._journal = journal
        self._rest = rest
        self._next_look = next_look
        self._held: dict[bytes, tuple[int, int]] = {}  # mails, and our marks' inodes

    def is_free(self, directory: int, sight: Sight, left: LeftAlone) -> bool:
        """Tell whether nobody sends a mail; take over what was abandoned."""
        for prefix in _REJECTED:
            if Sight.of(directory, prefix + sight.name):
                mark = shown(prefix + sight.name)
                left.tell(sight, f"refused for good before; remove {mark} to send it")
                return False
        marks = [Sight.of(directory, prefix + sight.name) for prefix in _SENDING]
        return all(self._is_past(directory, mark, sight) for mark in marks if mark)

    def take(self, directory: int, sight: Sight) -> None:
        """Make the mark; raise ``NotYet`` if somebody else's is there by now."""
        name = _SENDING[0] + sight.name
        try:
            descriptor = os.open(name, _MAKE, 0o600, dir_fd=directory)
        except FileExistsError as error:
            raise NotYet("somebody else begins to send it") from error
        with suppress(OSError):  # what we do not hold, we do not take
            found = os.fstat(descriptor)
            self._held[sight.name] = found.st_dev, found.st_ino
        os.close(descriptor)

    def holds(self, directory: int, sight: Sight) -> bool:
        """Tell whether the mark is still there, and ours."""
        found = Sight.of(directory, _SENDING[0] + sight.name)
        mine = self._held.get(sight.name)
        return found is not None and mine == (found.status.st_dev, found.status.st_ino)

    def release(self, directory: int, sight: Sight) -> None:
        """Remove the mark, if it is ours; one that stays is ours at the next start."""
        with suppress(OSError):
            if sight.name in self._held and self.holds(directory, sight):
                os.unlink(_SENDING[0] + sight.name, dir_fd=directory)
        self._held.pop(sight.name, None)

    def tidy(self, directory: int, name: bytes) -> None:
        """Remove a mark of ours whose mail is gone: we stopped in between."""
        mail = next((name.removeprefix(p) for p in _SENDING if name.startswith(p)), b"")
        if mail and mail not in self._held and not _exists(directory, mail):
            mark = Sight.of(directory, name)
            if mark and _is_ours(mark):
                with suppress(OSError):
                    os.unlink(name, dir_fd=directory)

    def _is_past(self, directory: int, mark: Sight, sight: Sight) -> bool:
        """Remove a mark of somebody who stopped; tell whether it was one."""
        is_link = mark.status.st_ino == sight.status.st_ino
        ours = _is_ours(mark) and not is_link
        age = self._rest.locked_for(mark, mark)
        left = _NOW if ours else self._config.sending_expiry - age
        if left > _NOW:
            self._next_look.within(left)
            return False
        try:
            os.unlink(mark.name, dir_fd=directory)
        except FileNotFoundError:
            return False  # somebody else takes it over
        if not ours:
            self._tell(sight, age)
        if is_link:  # it was counted as the mail's second name: look anew
            self._next_look.within(_NOW)
        return not is_link

    def _tell(self, sight: Sight, age: timedelta) -> None:
        reason = f"said to be sent for {age.days} days and {age.seconds // 60} minutes"
        name = shown(sight.name)
        self._journal.emit(
            SenderGone(spool=self._config.name, file=name, reason=reason)
        )


def _is_ours(mark: Sight) -> bool:
    """Tell by what no link to a mail is: a mail has octets."""
    status = mark.status
    return status.st_size == 0 and status.st_uid == os.geteuid()


def _exists(directory: int, name: bytes) -> bool:
    return Sight.of(directory, name) is not None
