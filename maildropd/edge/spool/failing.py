# SPDX-License-Identifier: Apache-2.0
"""What becomes of a file that was not taken: set aside, left, or tried again.

Whatever it is, it stays in the drop or goes to the quarantine, is told, and
is not read again at each look.
"""

import traceback
from datetime import timedelta
from pathlib import Path

from maildropd.config.model import SpoolConfig
from maildropd.edge.spool.directory import DropDirectory
from maildropd.edge.spool.door import Surroundings
from maildropd.edge.spool.file import OutOfResources, Unreadable
from maildropd.edge.spool.left import LeftAlone
from maildropd.edge.spool.quarantine import Quarantine
from maildropd.edge.spool.rest import NextLook, Rest
from maildropd.edge.spool.sight import Sight, shown
from maildropd.edge.spool.under_way import NotRemoved
from maildropd.mail.errors import NotNow, NotYet, PermanentError, TransientError
from maildropd.mail.events import MessageQuarantined
from maildropd.mail.service_events import InternalError, LockAbandoned
from maildropd.policy.quota import QuotaExceeded

_HOPELESS = 50  # refusals of the store in a row, and the rest can wait
_FIRST_PAUSE = timedelta(seconds=1)
_NOW = timedelta(0)
_LATER = timedelta(seconds=10)


class Failing:
    """Judges the files of one spool that went wrong."""

    def __init__(
        self,
        config: SpoolConfig,
        surroundings: Surroundings,
        rest: Rest,
        next_look: NextLook,
    ) -> None:
        """Begin without a directory."""
        self._config = config
        self._journal = surroundings.journal
        self._next_look = next_look
        self.rest = rest
        self.left = LeftAlone(config.name, surroundings.journal, surroundings.clock)
        self._quarantine = Quarantine(config.quarantine, surroundings.clock)
        self._drop: DropDirectory
        self._refusals = 0
        self._put_off: set[int] = set()  # owners, in this round
        self._pause = _FIRST_PAUSE
        self._in_trouble = False

    def work_in(self, drop: DropDirectory) -> None:
        """Judge the files of this directory from now on."""
        self._drop = drop

    def round_began(self) -> None:
        """Begin to look through the whole directory."""
        slowest = max(self._config.poll_interval, _FIRST_PAUSE)
        self._pause = (
            min(self._pause * 2, slowest) if self._in_trouble else _FIRST_PAUSE
        )
        self._in_trouble = False
        self._put_off.clear()

    def some_succeeded(self) -> None:
        """The store takes mail."""
        self._refusals = 0

    @property
    def is_hopeless(self) -> bool:
        """Tell whether the store takes nothing now, so that reading on is vain."""
        return self._refusals >= _HOPELESS

    def judge(self, sight: Sight, error: BaseException) -> None:
        """Decide what becomes of a file that was not taken."""
        match error:
            case PermanentError():
                self.set_aside(sight, str(error))
            case OutOfResources() | MemoryError():
                self.left.tell(sight, str(error) or "there is no memory to read it")
                self._refuse()
            case TransientError():
                self._try_again(sight, error)
            case OSError():
                self._drop.check()
                self._leave(sight, str(error))
            case _:
                self._own_up(sight, error)

    def _try_again(self, sight: Sight, error: TransientError) -> None:
        match error:
            case NotYet():
                self._next_look.within(self._config.settle_time)
            case NotNow():
                self.wait(sight, error)
            case NotRemoved():
                self._leave(sight, str(error), stored=True)
            case Unreadable():
                self._leave(sight, str(error))
            case _:
                self._refuse()

    def unseen(self, name: bytes, error: OSError) -> None:
        """Leave a name alone that cannot even be looked at."""
        self._drop.check()
        self.left.tell(Sight.failed(name), str(error.strerror))

    def locked(self, lock: Sight, sight: Sight) -> None:
        """Let a locked mail wait, but not for ever."""
        age = self.rest.locked_for(lock, sight)
        if age < self._config.lock_expiry or self.left.rests(lock):
            return
        if self.rest.remaining(sight) > _NOW:
            return  # somebody is there after all; the next poll sees it
        reason = f"locked for {age.days} days and {age.seconds // 3600} hours"
        self._journal.emit(
            LockAbandoned(
                spool=self._config.name, file=shown(sight.name), reason=reason
            )
        )
        if place := self.set_aside(sight, f"{reason}; its writer never finished it"):
            self._quarantine.add_lock(self._drop, lock, place)
        else:
            self._leave(lock, reason)

    def staged(self, sight: Sight) -> None:
        """Set aside what nobody will release any more; it is never sent by itself."""
        age = self.rest.locked_for(sight, sight)
        if age < self._config.lock_expiry or self.left.rests(sight):
            return
        lasted = f"{age.days} days and {age.seconds // 3600} hours"
        self.set_aside(sight, f"it was left unfinished, or unreleased, for {lasted}")

    def is_put_off(self, sight: Sight) -> bool:
        """Tell whether this one's owner has had his share in this round."""
        return sight.status.st_uid in self._put_off

    def wait(self, sight: Sight, error: NotNow) -> None:
        """This mail has to wait, and at most others of its owner's."""
        if isinstance(error, QuotaExceeded):
            self._put_off.add(sight.status.st_uid)
        self.left.tell(sight, f"{error}; it waits")
        self._next_look.within(_LATER)

    def set_aside(self, sight: Sight, reason: str) -> Path | None:
        """Quarantine a file at rest: its writer may have been half way only."""
        rest = self.rest.remaining(sight)
        if rest > _NOW:
            self._next_look.within(rest)
            return None
        try:
            place = self._quarantine.take(self._drop, sight, reason)
        except NotYet:
            self._next_look.within(self._config.settle_time)
            return None
        except OSError as error:
            why = error.strerror or str(error)
            self._leave(sight, f"{reason}; and it cannot be set aside ({why})")
            return None
        self._journal.emit(
            MessageQuarantined(
                spool=self._config.name,
                file=shown(sight.name),
                quarantine=shown(bytes(place)),
                reason=reason,
                submitter_uid=sight.status.st_uid,
            )
        )
        return place

    def _refuse(self) -> None:
        """All files have this trouble, not this one."""
        self._refusals += 1
        self._in_trouble = True
        self._next_look.within(self._pause)

    def _leave(self, sight: Sight, reason: str, *, stored: bool = False) -> None:
        self.left.tell(sight, reason)
        self.left.rest(sight, stored=stored)

    def _own_up(self, sight: Sight, error: BaseException) -> None:
        self.left.rest(sight)
        self._journal.emit(
            InternalError(
                where=f"spool {self._config.name}, {shown(sight.name)}",
                error=repr(error),
                traceback="".join(traceback.format_exception(error)),
            )
        )
