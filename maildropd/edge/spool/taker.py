# SPDX-License-Identifier: Apache-2.0
"""One file of the drop after the other: taken, set aside, or left for later.

Whatever a file does to us, the next one is handled all the same.
"""

import traceback
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from maildropd.config.model import QueueConfig, SpoolConfig
from maildropd.edge.spool.directory import DropDirectory
from maildropd.edge.spool.door import Door, Surroundings
from maildropd.edge.spool.file import OpenFile, Unreadable
from maildropd.edge.spool.left import LeftAlone
from maildropd.edge.spool.quarantine import Quarantine
from maildropd.edge.spool.rest import NextLook, Rest
from maildropd.edge.spool.sight import Sight, shown
from maildropd.edge.spool.under_way import NotRemoved, UnderWay
from maildropd.mail.envelope import Submission, Submitter
from maildropd.mail.errors import NotYet, PermanentError, TransientError
from maildropd.mail.events import MessageQuarantined
from maildropd.mail.service_events import InternalError, LockAbandoned

_WINDOW = 200  # submissions that wait for the store together, and share a commit
_OCTETS = 8 * 1024 * 1024  # of theirs, in memory until they are stored
_HOPELESS = 50  # refusals of the store in a row, and the rest can wait
_FIRST_PAUSE = timedelta(seconds=1)
_PROMISE = timedelta(minutes=1)
_NOW = timedelta(0)


class Taker:
    """Handles the files of one spool; used by its pickup thread alone."""

    def __init__(
        self,
        config: SpoolConfig,
        limits: QueueConfig,
        door: Door,
        surroundings: Surroundings,
        next_look: NextLook,
    ) -> None:
        """Begin without a directory."""
        self._config = config
        self._limits = limits
        self._injector = door.injector
        self._surroundings = surroundings
        self._journal = surroundings.journal
        self._next_look = next_look
        self._rest = Rest(config.settle_time, surroundings.clock)
        self._left = LeftAlone(config.name, surroundings.journal)
        self._quarantine = Quarantine(config.quarantine, surroundings.clock)
        self._under_way = UnderWay(config.name, door.keys, self.alive)
        self._drop: DropDirectory
        self._refusals = 0
        self._pause = _FIRST_PAUSE
        self._in_trouble = False

    def work_in(self, drop: DropDirectory) -> None:
        """Take files from this directory from now on."""
        self._drop = drop

    def alive(self) -> None:
        """Promise to be heard of again."""
        loop = f"spool-{self._config.name}"
        self._surroundings.heartbeats.beat(loop, _PROMISE)

    def round_began(self) -> None:
        """Begin to look through the whole directory."""
        slowest = max(self._config.poll_interval, _FIRST_PAUSE)
        self._pause = (
            min(self._pause * 2, slowest) if self._in_trouble else _FIRST_PAUSE
        )
        self._in_trouble = False

    def round_ended(self) -> None:
        """Forget what is no longer in the directory."""
        self._rest.round_ended()
        self._left.round_ended()

    @property
    def is_hopeless(self) -> bool:
        """Tell whether the store takes nothing now, so that reading on is vain."""
        return self._refusals >= _HOPELESS

    def told(self, name: bytes) -> None:
        """Take a file of which the kernel said that its writer is done with it."""
        self._left.forget(name)
        if sight := self.look(name):
            self.take(sight, told=True)

    def look(self, name: bytes) -> Sight | None:
        """See what a name stands for, if anything can be seen."""
        try:
            return Sight.of(self._drop.descriptor, name)
        except OSError as error:
            self._drop.check()
            self._left.add(Sight.failed(name), str(error.strerror), final=False)
            return None

    def take(self, sight: Sight, *, told: bool = False) -> None:
        """Take one file, or see to it that it is not forgotten."""
        self.alive()
        try:
            self._take(sight, told=told)
        except Exception as error:  # noqa: BLE001 - one file stops no other
            self._judge(sight, error)
        waiting = len(self._under_way)
        if waiting >= _WINDOW or self._under_way.octets >= _OCTETS:
            self.settle(waiting // 2)

    def settle(self, leave: int = 0) -> None:
        """Wait until no more than ``leave`` submissions are under way."""
        before = len(self._under_way)
        failed = self._under_way.settle(self._drop.descriptor, leave)
        if before - len(self._under_way) > len(failed):
            self._refusals = 0
        for sight, error in failed:
            self._judge(sight, error)

    def finish(self) -> None:
        """Bring everything to its end, and let go of the directory."""
        for sight, error in self._under_way.finish(self._drop.descriptor):
            self._judge(sight, error)

    def _take(self, sight: Sight, *, told: bool) -> None:
        if self._under_way.has(sight) or self._left.is_final(sight):
            return
        if sight.is_directory:
            self._left.add(sight, "it is a directory", final=True)
            return
        if lock := sight.lock(self._drop.descriptor):
            self._wait_for(lock, sight)
            return
        rest = self._rest.remaining(sight)
        if rest > _NOW and not told:
            self._next_look.within(max(rest, self._config.settle_time / 5))
            return
        if self._under_way.is_mistakable(sight, self._drop.descriptor):
            raise NotYet("it looks like one that was here before")
        sight.check(self._limits.message_size_limit)
        self._submit(sight)

    def _submit(self, sight: Sight) -> None:
        name, uid = f"spool={self._config.name}", sight.status.st_uid
        file = OpenFile(self._drop.descriptor, sight)
        try:
            draft = file.draft(self._limits.recipient_limit)
            submission = Submission(
                reverse_path=draft.reverse_path,
                recipients=draft.recipients,
                submitter=Submitter(name=name, uid=uid),
                content=self._breathing(file.content(draft)),
                key=self._under_way.key(sight),
                message_id=draft.message_id,
            )
            self._under_way.add(sight, self._injector.submit(submission))
        finally:
            file.close()

    def _breathing(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """A large mail may take its time, as long as it comes."""
        for piece in pieces:
            self.alive()
            yield piece

    def _wait_for(self, lock: Sight, sight: Sight) -> None:
        """Let a locked mail wait, but not for ever."""
        age = self._rest.locked_for(lock, sight)
        if age < self._config.lock_expiry or self._left.is_final(lock):
            return
        if self._rest.remaining(sight) > _NOW:
            return  # somebody is there after all; the next poll sees it
        reason = f"locked for {age.days} days and {age.seconds // 3600} hours"
        self._journal.emit(
            LockAbandoned(
                spool=self._config.name, file=shown(sight.name), reason=reason
            )
        )
        if place := self._set_aside(sight, f"{reason}; its writer never finished it"):
            self._quarantine.add_lock(self._drop, sight.name, place)
        else:
            self._left.add(lock, reason, final=True)

    def _judge(self, sight: Sight, error: BaseException) -> None:
        """Decide what becomes of a file that was not taken."""
        match error:
            case NotYet():
                self._next_look.within(self._config.settle_time)
            case NotRemoved():
                self._left.add(sight, str(error), final=True)
            case Unreadable():
                self._left.add(sight, str(error), final=False)
                self._retry()
            case PermanentError():
                self._set_aside(sight, str(error))
            case TransientError():
                self._refusals += 1
                self._retry()
            case OSError():
                self._drop.check()
                self._left.add(sight, str(error), final=False)
            case _:
                self._own_up(sight, error)

    def _retry(self) -> None:
        self._in_trouble = True
        self._next_look.within(self._pause)

    def _set_aside(self, sight: Sight, reason: str) -> Path | None:
        """Quarantine a file at rest: its writer may have been half way only."""
        rest = self._rest.remaining(sight)
        if rest > _NOW:
            self._next_look.within(rest)
            return None
        try:
            place = self._quarantine.take(self._drop, sight, reason)
        except NotYet:
            self._next_look.within(self._config.settle_time)
            return None
        except OSError as error:
            reason = f"{reason}; and it cannot be set aside ({error.strerror})"
            self._left.add(sight, reason, final=True)
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

    def _own_up(self, sight: Sight, error: BaseException) -> None:
        self._journal.emit(
            InternalError(
                where=f"spool {self._config.name}, {shown(sight.name)}",
                error=repr(error),
                traceback="".join(traceback.format_exception(error)),
            )
        )
