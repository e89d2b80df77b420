# SPDX-License-Identifier: Apache-2.0
"""One file of the drop after the other: taken, set aside, or left for later.

Whatever a file does to us, the next one is handled all the same.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta

from maildropd.config.model import QueueConfig, SpoolConfig
from maildropd.edge.entry import Passed
from maildropd.edge.sendmail.frame import MAGIC
from maildropd.edge.spool import customs
from maildropd.edge.spool.admission import Carried
from maildropd.edge.spool.bundle import Bundles
from maildropd.edge.spool.directory import DropDirectory
from maildropd.edge.spool.door import Door, Surroundings
from maildropd.edge.spool.failing import Failing
from maildropd.edge.spool.file import AT_ONCE, OpenFile
from maildropd.edge.spool.folders import loop
from maildropd.edge.spool.frames import check as check_frames
from maildropd.edge.spool.rest import NextLook, Rest
from maildropd.edge.spool.sight import Sight
from maildropd.edge.spool.under_way import Named, NotRemoved, UnderWay
from maildropd.mail.envelope import Submission, Submitter
from maildropd.mail.errors import NotNow, NotYet
from maildropd.mail.verp import DELIMITERS
from maildropd.store.base import Stored

_WINDOW = 200  # submissions that wait for the store together, and share a commit
_OCTETS = 8 * 1024 * 1024  # of theirs, in memory until they are stored
_RECIPIENT = 150  # octets of memory that one takes
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
        self._admission = door.admission
        self._surroundings = surroundings
        self._next_look = next_look
        self._rest = Rest(config.settle_time, surroundings.clock)
        self._failing = Failing(config, surroundings, self._rest, next_look)
        self._left = self._failing.left
        self.custom = customs.of(config, surroundings, self._failing, next_look)
        self._under_way = UnderWay(self.custom, door.keys, self.alive)
        self._bundles = Bundles(self._store, self.alive)
        self._drop: DropDirectory

    def work_in(self, drop: DropDirectory) -> None:
        """Take files from this directory from now on."""
        self._drop = drop
        self._failing.work_in(drop)

    def alive(self) -> None:
        """Promise to be heard of again."""
        self._surroundings.heartbeats.beat(loop(self._config), _PROMISE)

    def round_began(self) -> None:
        """Begin to look through the whole directory."""
        self._failing.round_began()

    def round_ended(self) -> None:
        """Forget what is no longer in the directory."""
        self._rest.round_ended()
        self._left.round_ended()

    @property
    def is_hopeless(self) -> bool:
        """Tell whether the store takes nothing now, so that reading on is vain."""
        return self._failing.is_hopeless

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
            self._failing.unseen(name, error)
            return None

    def staged(self, name: bytes) -> None:
        """Look at mail that its writer has not released: that may not last for ever."""
        if (sight := self.look(name)) and not sight.is_directory:
            self._failing.staged(sight)

    def take(self, sight: Sight, *, told: bool = False) -> None:
        """Take one file, or see to it that it is not forgotten."""
        self.alive()
        try:
            self._take(sight, told=told)
        except NotNow as error:
            self._failing.wait(sight, error)
            self.custom.release(self._drop.descriptor, sight)
        except Exception as error:  # noqa: BLE001 - one file stops no other
            self._judge([(sight, error)])
        waiting = len(self._under_way)
        if waiting >= _WINDOW or self._under_way.octets >= _OCTETS:
            self.settle(waiting // 2)

    def settle(self, leave: int = 0) -> None:
        """Wait until no more than ``leave`` submissions are under way."""
        before = len(self._under_way)
        failed = self._under_way.settle(self._drop.descriptor, leave)
        if before - len(self._under_way) > len(failed):
            self._failing.some_succeeded()
        self._judge(failed)

    def finish(self) -> None:
        """Bring everything to its end, and let go of the directory."""
        self._judge(self._under_way.finish(self._drop.descriptor))

    def _judge(self, failed: Iterable[tuple[Sight, BaseException]]) -> None:
        for sight, error in failed:
            self._failing.judge(sight, error)
            if not isinstance(error, NotRemoved):  # nobody else may send that
                self.custom.release(self._drop.descriptor, sight)

    def _take(self, sight: Sight, *, told: bool) -> None:
        if self._under_way.has(sight) or self._left.rests(sight):
            return
        if sight.is_directory:
            self._left.tell(sight, "it is a directory")
            return
        if stored := self._left.stored(sight):
            self._under_way.remove_again(self._drop.descriptor, stored)
            return
        if self._failing.is_put_off(sight):
            return
        if not self.custom.may_take(self._drop.descriptor, sight):
            return
        rest = self._rest.remaining(sight)
        if rest > _NOW and not told:
            self._next_look.within(max(rest, self._config.settle_time / 5))
            return
        self.custom.claim(self._drop.descriptor, sight)
        sight.check()
        self._submit(sight)

    def _submit(self, sight: Sight) -> None:
        name, uid = f"spool={self._config.name}", sight.status.st_uid
        file = OpenFile(self._drop.descriptor, sight, self.custom)
        submitter = Submitter(name=name, uid=uid)
        try:
            is_bundle = file.begins_with(MAGIC)
            self._look_over(file, is_bundle=is_bundle)
            key = self.custom.key(sight, file.digest)
            if self._under_way.is_mistakable(key, self._drop.descriptor):
                raise NotYet("it looks like one that was here before")
            if is_bundle:
                stored = self._bundles.submit(sight, self._carried(file, submitter))
                weight = min(file.size, _OCTETS)
            else:
                passed = self._admission.passed(file, submitter, key)
                recipients = len(passed.submission.recipients)
                weight = sight.status.st_size + _RECIPIENT * recipients
                stored = self._store(passed, at_hand=file.size <= AT_ONCE)
            self._under_way.add(Named(sight, key), weight, stored)
        finally:
            file.close()

    def _look_over(self, file: OpenFile, *, is_bundle: bool) -> None:
        """Raise ``Malformed`` or ``TooLarge`` before more is done with its octets."""
        if not is_bundle:
            file.sight.check_size(self._limits.message_size_limit)
            return
        file.rewind()
        check_frames(self._breathing(file.pieces()))
        file.rewind()

    def _carried(self, file: OpenFile, submitter: Submitter) -> Iterator[Carried]:
        """Yield the mails of a file that was looked over."""
        done = self._bundles.done(file.sight)
        return self._admission.carried(file.pieces(), submitter, done)

    def _store(self, passed: Passed, *, at_hand: bool = False) -> Future[Stored]:
        """Submit as the spool says; what is at hand has been read already."""
        found = passed.submission
        if not at_hand or self._config.verp or self._config.hold:
            found = self._as_the_spool_says(found)
        return passed.submitted(lambda: self._injector.submit(found))

    def _as_the_spool_says(self, found: Submission) -> Submission:
        verp = DELIMITERS if self._config.verp and found.reverse_path else ""
        return replace(
            found,
            content=self._breathing(found.content),
            verp=found.verp or verp,
            hold=self._config.hold,
        )

    def _breathing(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """A large mail may take its time, as long as it comes."""
        for piece in pieces:
            self.alive()
            yield piece
