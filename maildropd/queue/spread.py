# SPDX-License-Identifier: Apache-2.0
"""One message to many recipients, over several connections at once.

For the rest of the queue it stays one lease on one connection, and one list of
outcomes: whatever ways it took, who is told of it is told once.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise

from maildropd.host.clock import Clock
from maildropd.mail.errors import RouteError, TransientError
from maildropd.mail.event import Journal
from maildropd.mail.outcome import Outcome
from maildropd.queue.guard import guarded, our_bug
from maildropd.queue.places import Places
from maildropd.relay.base import Alive, Delivery, Transport
from maildropd.relay.refusal import cut_by

_Result = Sequence[Outcome] | TransientError | MemoryError | None
"""What came of a share; None after a bug of ours, which was told."""


class Spread:
    """A transport that asks for more of its kind while a message is to many."""

    def __init__(
        self,
        connect: Callable[[], Transport],
        places: Places,
        clock: Clock,
        journal: Journal,
    ) -> None:
        """Take what makes connections, and what says how many there may be."""
        self._connect = connect
        self._places = places
        self._clock = clock
        self._journal = journal
        self._own = connect()
        self._lock = threading.Lock()
        self._open = [self._own]  # guarded by it, as is this:
        self._aborted = False

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Try once; who has the mail over one connection gets it over no other."""
        if len(delivery.recipients) <= self._places.together:
            return self._own.attempt(delivery, alive)
        with self._places.beside(len(delivery.recipients)) as lent:
            if not lent:
                return self._own.attempt(delivery, alive)
            whole = replace(delivery, following=None)  # it may have to wait long
            beats = _Beats(alive, self._clock)
            first, *others = _shares(whole, lent + 1, self._places.together)
            helpers = [_Helper(partial(self._helped, each, beats)) for each in others]
            mine = self._tried(self._own, first, beats.of(first))
            results = [mine, *(helper.result() for helper in helpers)]
            errors = [each for each in results if isinstance(each, Exception)]
            if len(errors) == len(results):
                raise errors[0]
            if isinstance(mine, Sequence):
                self._again(others, results, alive)
            return tuple(self._outcomes([first, *others], results))

    def close(self) -> None:
        """Say goodbye quickly, and let go of the connection."""
        self._own.close()

    def abort(self) -> None:
        """Break all its connections off; the one call other threads may make."""
        with self._lock:
            self._aborted = True
            transports = list(self._open)
        for transport in transports:
            transport.abort()

    def _again(
        self, others: list[Delivery], results: list[_Result], alive: Alive
    ) -> None:
        """Carry over our own connection what found none."""
        full = [each for each in results if isinstance(each, RouteError)]
        if full and not self._aborted:
            self._places.turned_away(len(full), full[0].reply)
        for number, share in enumerate(others, 1):
            if isinstance(results[number], TransientError) and not self._aborted:
                results[number] = self._tried(self._own, share, alive)

    def _outcomes(
        self, shares: Sequence[Delivery], results: Sequence[_Result]
    ) -> Iterator[Outcome]:
        for share, result in zip(shares, results, strict=True):
            if isinstance(result, Sequence):
                yield from result
                continue
            # Who has the mail already must not get it again for this.
            relay = self._places.destination
            waits = our_bug(relay) if result is None else cut_by(result, relay)
            yield from (waits for _ in share.recipients)

    def _helped(self, share: Delivery, beats: "_Beats") -> _Result:
        transport = self._connect()
        with self._lock:
            self._open.append(transport)
            if self._aborted:
                transport.abort()
        try:
            return self._tried(transport, share, beats.of(share))
        finally:
            with self._lock:
                self._open.remove(transport)
            transport.close()
            beats.rest(share)

    def _tried(self, transport: Transport, share: Delivery, alive: Alive) -> _Result:
        work = partial(transport.attempt, share, alive)
        try:
            return guarded(work, self._journal, "one attempt")
        except (TransientError, MemoryError) as error:
            return error


class _Helper:
    """A thread that carries a share, if there is one to be had."""

    def __init__(self, work: Callable[[], _Result]) -> None:
        self._work = work
        self._result: _Result = None
        name = f"{threading.current_thread().name}+"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._started = False
        with suppress(RuntimeError):
            self._thread.start()
            self._started = True

    def result(self) -> _Result:
        """Wait for its end; each step of it has a time limit."""
        if not self._started:
            return TransientError("there is no thread to be had")
        self._thread.join()
        return self._result

    def _run(self) -> None:
        self._result = self._work()


class _Beats:
    """One promise for all shares: the one that is to be heard of last."""

    def __init__(self, alive: Alive, clock: Clock) -> None:
        self._alive = alive
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[int, timedelta] = {}

    def of(self, share: Delivery) -> Alive:
        return partial(self._beat, id(share))

    def rest(self, share: Delivery) -> None:
        with self._lock:
            self._until.pop(id(share), None)

    def _beat(self, share: int, within: timedelta) -> None:
        with self._lock:
            now = self._clock.monotonic()
            self._until[share] = now + within
            self._alive(max(self._until.values()) - now)


def _shares(delivery: Delivery, most: int, together: int) -> list[Delivery]:
    """Divide it among so many connections, by whole transactions."""
    batches = -(-len(delivery.recipients) // together)
    ends = [batches * number // most * together for number in range(most + 1)]
    return [delivery.part(start, end) for start, end in pairwise(ends)]
