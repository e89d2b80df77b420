# SPDX-License-Identifier: Apache-2.0
"""The custom of a Maildir that programs queue mail in, and others may send from.

A mail is whole as soon as it has its name, and is never written again.  But its
time changes: zope.sendmail and repoze.sendmail touch a mail before they send it.
"""

import hashlib
import os
from collections.abc import Callable
from typing import Self

from maildropd.edge.spool import letters
from maildropd.edge.spool.custom import Forms, Scan
from maildropd.edge.spool.file import OpenFile
from maildropd.edge.spool.left import LeftAlone
from maildropd.edge.spool.sending import Sending
from maildropd.edge.spool.sight import Sight
from maildropd.edge.spool.unfinished import Unfinished
from maildropd.mail.errors import MailError


class OldestFirst:
    """A ``Scan`` in the order of time, for which the whole directory is read."""

    def __init__(self, directory: int) -> None:
        """Read it."""
        with os.scandir(directory) as entries:
            found = list(entries)
        self.hidden = [os.fsencode(e.name) for e in found if e.name[0] == "."]
        self._entries = iter(sorted(found, key=_time))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> os.DirEntry[str]:
        return next(self._entries)

    def close(self) -> None:
        """Forget the rest."""
        self._entries = iter(())


class MaildirCustom:
    """A ``Custom`` for ``new`` and ``cur``."""

    def __init__(
        self, spool: str, sending: Sending, left: LeftAlone, unfinished: Unfinished
    ) -> None:
        """``sending`` knows who else is at work there, ``unfinished`` looks at tmp."""
        self._spool = spool
        self._unfinished = unfinished
        self._sending = sending
        self._left = left

    @property
    def forms(self) -> Forms:
        """Those of zope.sendmail and repoze.sendmail, and a plain message."""
        return letters

    @property
    def is_shared(self) -> bool:
        """Their writers' own senders do."""
        return True

    def is_mail(self, name: bytes) -> bool:
        """Tell whether a name may be a mail's: all that are not hidden."""
        return not name.startswith(b".")

    def freed(self, name: bytes) -> bytes | None:
        """Return nothing: most marks that go are ours, and go with their mail."""
        del name
        return None

    def scan(self, directory: int) -> Scan:
        """Begin with the oldest."""
        self._unfinished.look()
        found = OldestFirst(directory)
        for name in found.hidden:
            self._sending.tidy(directory, name)
        return found

    def may_take(self, directory: int, sight: Sight) -> bool:
        """Tell whether nobody sends it, and nobody was refused with it."""
        return self._sending.is_free(directory, sight, self._left)

    def claim(self, directory: int, sight: Sight) -> None:
        """Say that we send it."""
        self._sending.take(directory, sight)

    def is_ours(self, directory: int, sight: Sight) -> bool:
        """Tell whether nobody took our mark for an abandoned one."""
        return self._sending.holds(directory, sight)

    def release(self, directory: int, sight: Sight) -> None:
        """Say so no more."""
        self._sending.release(directory, sight)

    def key(self, sight: Sight, digest: Callable[[], str]) -> str:
        """Return what is the same when the mail was touched, or moved to ``cur``."""
        name = hashlib.sha256(sight.name).hexdigest()
        return f"maildir:{self._spool}:{name}:{digest()}"

    def is_still(self, directory: int, sight: Sight, key: str) -> bool:
        """Tell whether it is what was read, touched or not."""
        found = os.stat(sight.name, dir_fd=directory, follow_symlinks=False)
        if sight.is_same(found):
            return True
        if found.st_ino != sight.status.st_ino or found.st_size != sight.status.st_size:
            return False
        try:
            file = OpenFile(directory, Sight(sight.name, found), self)
        except MailError:
            return False
        try:
            return self.key(sight, file.digest) == key
        except MailError:
            return False
        finally:
            file.close()


def _time(entry: os.DirEntry[str]) -> int:
    """Return when it was changed last; what is gone by now comes first."""
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0
