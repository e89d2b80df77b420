# SPDX-License-Identifier: Apache-2.0
"""What systemd hears of us from time to time: that we live, and how things stand."""

from collections.abc import Sequence
from contextlib import suppress

from maildropd.daemon import status
from maildropd.daemon.engine import Chore, Surroundings
from maildropd.daemon.timekeeper import Timekeeper
from maildropd.mail.errors import TransientError
from maildropd.mail.service_events import LoopStuck
from maildropd.queue.manager import Manager
from maildropd.store.base import QueueStore, State


class Pulse:
    """Feeds the watchdog while all loops keep their word, and keeps STATUS= true."""

    def __init__(
        self, surroundings: Surroundings, store: QueueStore, manager: Manager
    ) -> None:
        """Begin with nothing said."""
        self._surroundings = surroundings
        self._store = store
        self._manager = manager
        self._late: tuple[str, ...] = ()
        self._line = ""
        self._timekeeper = Timekeeper(surroundings, store)

    def begin(self) -> int:
        """End the leases of former runs; return how many there were."""
        self._timekeeper.look()
        self._timekeeper.keep()
        return self._store.take_over(self._surroundings.clock.now()).result()

    def feed(self) -> bool:
        """Feed the watchdog, unless a loop is late; return whether none is."""
        around = self._surroundings
        late = around.heartbeats.late()
        if not late:
            around.notifier.watchdog()
        elif late != self._late:
            around.journal.emit(LoopStuck(loops=", ".join(late)))
        self._late = late
        return not late

    def tell(self, chores: Sequence[Chore] = ()) -> bool:
        """See to chores, and say how things stand; return whether that is news."""
        for chore in chores:
            # The next time will do; the store, or the host, says what is wrong.
            with suppress(TransientError, MemoryError):
                chore.tick()
        try:
            self._timekeeper.tick()
            line = self._condition()
        except TransientError:  # it may pass; if it stays, the writer says so
            line = "the store cannot be read"
        if line == self._line:
            return False
        self._line = line
        self._surroundings.notifier.status(line)
        return True

    def shortage(self) -> str:
        """Say why no new mail is taken, if it is so."""
        return self._surroundings.shortage()

    def queued(self) -> int:
        """Return how many recipients wait, for the log; 0 if nobody can tell."""
        try:
            counts = self._store.counts()
        except TransientError:  # a figure for the log is not worth an end
            return 0
        return counts.get(State.READY, 0) + counts.get(State.DEFERRED, 0)

    def end(self) -> int:
        """Leave word for the next run; return how many recipients wait."""
        queued = self.queued()
        self._timekeeper.keep()
        return queued

    def _condition(self) -> str:
        return status.line(
            self._store.counts(),
            self._store.oldest(),
            self._manager.lanes.values(),
            self._surroundings.clock.now(),
            self.shortage(),
        )
