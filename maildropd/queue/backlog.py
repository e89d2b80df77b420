# SPDX-License-Identifier: Apache-2.0
"""The leases of one lane: those that wait for a connection, those on the wire.

What is due is leased without knowing where it goes.  So a lane gets mail that
only others asked for; beyond a bound it is put off, a little each second, or a
relay that hangs would fill the memory, and keep the queue busy with itself.
"""

from collections import OrderedDict
from datetime import datetime, timedelta

from maildropd.mail.envelope import QueueId
from maildropd.queue.verdict import beyond, joined
from maildropd.store.base import Lease

_FULL = 1000
_ASIDE = timedelta(seconds=30)
_APART = timedelta(milliseconds=10)
_PATIENCE = timedelta(seconds=1)


class Backlog:
    """Guarded by the lock of its lane."""

    def __init__(self) -> None:
        """Begin without work."""
        self.waiting: OrderedDict[QueueId, Lease] = OrderedDict()
        self.recipients = 0  # that wait; one message can be to ten thousand
        self.busy: dict[QueueId, Lease] = {}
        self._promised: dict[QueueId, timedelta] = {}  # since when
        self._slot: datetime | None = None

    def __len__(self) -> int:
        """Return how many messages are leased."""
        return len(self.waiting) + len(self.busy)

    def add(self, lease: Lease) -> None:
        """Have one more wait; of a message that is here it joins the rest."""
        queue_id = lease.envelope.queue_id
        if queue_id in self.busy:
            self.busy[queue_id] = joined(self.busy[queue_id], lease)
            return
        if before := self.waiting.get(queue_id):
            self.recipients -= len(before.recipients)
            lease = joined(before, lease)
        self._wait(queue_id, lease)

    def free(self, now: timedelta) -> int:
        """Return how many wait for nobody in particular."""
        taken = sum(now - since <= _PATIENCE for since in self._promised.values())
        return len(self.waiting) - taken

    def promise(self, now: timedelta) -> Lease | None:
        """Return the one that a connection is to take next; others leave it alone.

        But not for long: where the connection hangs, anybody may have it.
        """
        for queue_id, lease in self.waiting.items():
            if self._is_free(queue_id, now):
                self._promised[queue_id] = now
                return lease
        return None

    def take(self, now: timedelta, promised: Lease | None = None) -> Lease | None:
        """Put the next one on the wire: the promised one if it is still here."""
        wanted = promised.envelope.queue_id if promised else None
        if wanted is None or wanted not in self.waiting:
            free = (each for each in self.waiting if self._is_free(each, now))
            wanted = next(free, None)
            if wanted is None:
                return None
        self._promised.pop(wanted, None)
        lease = self.busy[wanted] = self.waiting.pop(wanted)
        self.recipients -= len(lease.recipients)
        return lease

    def release(self, promised: Lease) -> None:
        """Leave it to anybody."""
        self._promised.pop(promised.envelope.queue_id, None)

    def _wait(self, queue_id: QueueId, lease: Lease) -> None:
        self.waiting[queue_id] = lease
        self.recipients += len(lease.recipients)

    def _is_free(self, queue_id: QueueId, now: timedelta) -> bool:
        since = self._promised.get(queue_id)
        return since is None or now - since > _PATIENCE

    def put_back(self, queue_id: QueueId) -> None:
        """Have one that was on the wire wait again, before all others."""
        self._wait(queue_id, self.busy.pop(queue_id))
        self.waiting.move_to_end(queue_id, last=False)

    def adopt(self, lease: Lease) -> Lease | None:
        """Join the recipients that are in flight here; return the others, if any."""
        queue_id = lease.envelope.queue_id
        here = self.busy.get(queue_id) or self.waiting.get(queue_id)
        if here is None:
            return lease
        others = beyond(lease, here)
        if len(others.recipients) < len(lease.recipients):
            self.add(beyond(lease, others))
        return others if others.recipients else None

    def drain(self) -> list[Lease]:
        """Give up all that wait."""
        left = list(self.waiting.values())
        self.waiting.clear()
        self.recipients = 0
        self._promised.clear()
        return left

    def put_off(self, now: datetime, pause: timedelta | None) -> datetime | None:
        """Return when a lease is to come again, if it cannot wait here.

        Where the way is broken, that is when its pause is over, or there would
        be nothing to probe it with.
        """
        if pause is None and self.recipients < _FULL:
            return None
        soonest = now + min(pause or _ASIDE, _ASIDE)
        self._slot = max(soonest, (self._slot or now) + _APART)
        return self._slot
