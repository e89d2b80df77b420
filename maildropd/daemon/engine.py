# SPDX-License-Identifier: Apache-2.0
"""What the life cycle is made of: what stays, and what a reload replaces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from maildropd.config.errors import ConfigErrors, Mistake, Place
from maildropd.config.model import Config
from maildropd.host.clock import QueueClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.notify import Notifier
from maildropd.mail.event import Journal
from maildropd.queue.manager import Routing


class Intake(Protocol):
    """A way in that has a thread of its own."""

    def start(self) -> None:
        """Begin to take mail."""
        ...

    def stop(self) -> None:
        """Finish what has been begun, then return."""
        ...

    def status(self) -> dict[str, object]:
        """Return name, path and condition, for people."""
        ...


class Chore(Protocol):
    """Something to be seen to from time to time, in short steps."""

    def tick(self) -> None:
        """Do what is due; raise ``StoreUnusable``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The parts that depend on the configuration."""

    config: Config
    routing: Routing
    intakes: tuple[Intake, ...]
    chores: tuple[Chore, ...] = ()


class PatientJournal(Journal, Protocol):
    """A journal that keeps what it cannot write at once."""

    def catch_up(self) -> bool:
        """Write what waits; return whether that was all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the life cycle leans on."""

    clock: QueueClock
    journal: PatientJournal
    heartbeats: Heartbeats
    notifier: Notifier
    shortage: Callable[[], str] = str  # of room for new mail; empty: there is none


class Blueprint(Protocol):
    """How to read the configuration, and what to make of it."""

    def read(self) -> Config:
        """Return the configuration; raise ``ConfigErrors``."""
        ...

    def engine(self, config: Config) -> Engine:
        """Build what depends on it; nothing is started.

        Raise ``ConfigErrors`` when it needs what cannot be had.
        """
        ...


class Door(Protocol):
    """Sockets at which somebody is heard."""

    async def start(self) -> None:
        """Begin to listen."""
        ...

    async def close(self) -> None:
        """Stop listening."""
        ...


class Entrance:
    """All doors together: opened in their order, closed the other way."""

    def __init__(self, doors: Sequence[Door]) -> None:
        """Take them; the first one to fail keeps the others shut."""
        self._doors = doors

    async def start(self) -> None:
        """Begin to listen."""
        for door in self._doors:
            await door.start()

    async def close(self) -> None:
        """Stop listening."""
        for door in reversed(self._doors):
            await door.close()


def _pairs(old: object, new: object, *keys: str) -> list[tuple[str, object, object]]:
    return [(key, getattr(old, key), getattr(new, key)) for key in keys]


def refuse_moves(old: Config, new: Config) -> None:
    """Raise ``ConfigErrors`` for what only a restart can change."""
    places = ("state_directory", "runtime_directory", "maildrophost_log")
    moved = [
        Mistake(
            place=Place(file=new.source),
            text=f"{key}: cannot change while the daemon runs (restart it)",
        )
        for key, was, now in (
            *_pairs(old.daemon, new.daemon, *places),
            *_pairs(old.submission, new.submission, "socket", "sendmail_socket"),
        )
        if was != now
    ]
    if moved:
        raise ConfigErrors(moved)
