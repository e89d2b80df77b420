# SPDX-License-Identifier: Apache-2.0
"""A transport that says what a test tells it, and can be held on the wire."""

import threading
from collections.abc import Callable
from datetime import timedelta

from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.relay.base import Alive, Delivery

Script = Callable[[Delivery], tuple[Outcome, ...]]
OK = Reply(250, "2.0.0", "ok")
_SECOND = timedelta(seconds=1)


def accept(delivery: Delivery) -> tuple[Outcome, ...]:
    """Take everything."""
    return tuple(Outcome.of(OK, "fake:25") for _ in delivery.recipients)


class FakeRelay:
    """One server behind all transports of a test."""

    def __init__(self, script: Script = accept) -> None:
        self.script = script
        self.seen: list[tuple[str, tuple[str, ...], bytes]] = []
        self.reads = True  # the content, before it answers
        self.patience: Callable[[Delivery], timedelta] = lambda _: _SECOND
        self.opened = 0
        self.open = 0
        self.most_at_once = 0
        self.gate = threading.Event()
        self.gate.set()
        self.arrived = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._at_once = 0

    def transport(self) -> "FakeTransport":
        with self._lock:
            self.opened += 1
            self.open += 1
        return FakeTransport(self)

    def closed(self) -> None:
        with self._lock:
            self.open -= 1

    def carry(self, delivery: Delivery, aborted: threading.Event) -> None:
        content = b"".join(delivery.content()) if self.reads else b""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            name = str(delivery.envelope.queue_id)
            self.seen.append((name, delivery.recipients, content))
        self.arrived.release()
        while not self.gate.wait(0.01):
            if aborted.is_set():
                break
        with self._lock:
            self._at_once -= 1


class FakeTransport:
    """One connection to a ``FakeRelay``."""

    def __init__(self, relay: FakeRelay) -> None:
        self._relay = relay
        self._aborted = threading.Event()

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        alive(self._relay.patience(delivery))
        self._relay.carry(delivery, self._aborted)
        if self._aborted.is_set():
            raise RouteError("aborted")
        return self._relay.script(delivery)

    def close(self) -> None:
        self._relay.closed()

    def abort(self) -> None:
        self._aborted.set()
