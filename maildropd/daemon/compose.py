# SPDX-License-Identifier: Apache-2.0
"""The only place where objects are built and joined.

What lives as long as the process is built once, in ``House``; what depends on
the configuration is built anew by each reload, in ``House.engine``.
"""

import random
import secrets
from collections.abc import Callable

from maildropd.config.layout import Layout
from maildropd.config.model import Config, DaemonConfig, SpoolConfig, Watch
from maildropd.config.read import read
from maildropd.daemon import entrance, lanes, telling
from maildropd.daemon.engine import (
    Engine,
    Entrance,
    Intake,
    PatientJournal,
    Surroundings,
)
from maildropd.daemon.service import Service
from maildropd.daemon.shares import Shares, shares
from maildropd.daemon.unserved import Unserved
from maildropd.edge.control import Control
from maildropd.edge.parcel import Allowance
from maildropd.edge.spool.admission import Admission
from maildropd.edge.spool.door import Door
from maildropd.edge.spool.folders import folders
from maildropd.edge.spool.pickup import Pickup
from maildropd.host import descriptors, inherited
from maildropd.host.clock import QueueClock, SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.inotify import InotifyWatch
from maildropd.host.notify import Notifier
from maildropd.host.process import boot_id
from maildropd.host.watch import PollWatch
from maildropd.mail.event import Journal
from maildropd.mail.host_events import DescriptorsShort
from maildropd.queue.digester import Digester
from maildropd.queue.manager import Manager
from maildropd.queue.operator import Operator
from maildropd.queue.reporter import Reporter
from maildropd.queue.warner import Warner
from maildropd.store.injector import Injector, QueueIds
from maildropd.store.sqlite import SqliteStore

_MEMORY = 1024 * 1024  # octets of a spool's, for what goes to a file else


def open_store(
    daemon: DaemonConfig, journal: Journal, clock: QueueClock, heartbeats: Heartbeats
) -> SqliteStore:
    """Open the store; raise ``StoreUnusable`` with what to do about it."""
    # Not the boot id: the service's /proc holds processes and nothing else.
    start = secrets.token_hex(16)
    return SqliteStore(daemon.state_directory, start, journal, clock, heartbeats)


class House:
    """What lives as long as the process; a ``Blueprint`` for what does not."""

    def __init__(self, layout: Layout, config: Config, journal: PatientJournal) -> None:
        """Open the store; raise ``StoreUnusable``."""
        self._layout = layout
        clock = SystemClock(boot_id())
        heartbeats = Heartbeats(clock)
        self.store = open_store(config.daemon, journal, clock, heartbeats)
        self.surroundings = Surroundings(
            clock=clock,
            journal=journal,
            heartbeats=heartbeats,
            notifier=Notifier(),
            shortage=self.store.room.shortage,
        )
        self._lodge = entrance.Lodge.of(self.surroundings)
        self._awake = Doorbell()
        chance = random.Random()  # noqa: S311 - to be unlike, not to be secret
        ids = QueueIds(clock, chance.getrandbits)
        self._injector = Injector(
            self.store, journal, ids, config.queue, self._awake.ring
        )
        self._office = telling.office(self.store, ids, clock, self._awake.ring)

    def read(self) -> Config:
        """Return the configuration as it is on disk."""
        return read(self._layout)

    def engine(self, config: Config) -> Engine:
        """Build what depends on the configuration."""
        share = self._share(config)
        within = lanes.within(config, share.connections)
        names = entrance.names(config, self._lodge)
        press = telling.press(config, self._office, names)
        reporter = Reporter(press)
        routing = lanes.routing(within, self.store, reporter, self.surroundings)
        self._injector.configure(config.queue, lanes.priority(config))
        self.store.configure(config.queue.disk_reserve)
        spools = [each for spool in config.spools for each in folders(spool)]
        served, left = spools[: share.spools], spools[share.spools :]
        self._entry = entrance.entry(config, self._injector, self._lodge, names)
        intakes = (
            *(self._intake(spool, config) for spool in served),
            *(Unserved(spool) for spool in left),
        )
        journal, after = self.surroundings.journal, config.queue.delay_warning
        chores = (
            Warner(press, journal, after),
            Digester(press, self.store.failures, journal),
        )
        return Engine(config=config, routing=routing, intakes=intakes, chores=chores)

    def service(self, config: Config) -> tuple[Service, Entrance]:
        """Build the whole daemon, at rest."""
        engine = self.engine(config)
        around = self.surroundings
        manager = Manager(
            self.store,
            engine.routing,
            around.journal,
            around.clock,
            around.heartbeats,
        )
        service = Service(around, self, self.store, manager, engine)
        self._awake.answer = service.new_mail
        operator = Operator(self.store, around.journal, around.clock, manager.retry_now)
        socket = config.daemon.runtime_directory / "control"
        control = Control(socket, operator, service, descriptors.Spare())
        doors = entrance.doors(
            config, lambda: self._entry, self._lodge, operator, inherited.listening()
        )
        return service, Entrance((control, doors))

    def _share(self, config: Config) -> Shares:
        """Return what there are file descriptors for, and say so if it is less."""
        spools = sum(len(folders(spool)) for spool in config.spools)
        ways = lanes.needs(config)
        wanted = Shares(spools=spools, connections=ways.connections, local=ways.local)
        limit = descriptors.allowed()
        found = shares(limit, wanted)
        if found != wanted:
            waiting, connections = spools - found.spools, found.connections
            self.surroundings.journal.emit(
                DescriptorsShort(limit=limit, connections=connections, waiting=waiting)
            )
        return found

    def _intake(self, spool: SpoolConfig, config: Config) -> Intake:
        watch = InotifyWatch if spool.watch is Watch.INOTIFY else PollWatch
        folder = config.daemon.state_directory
        admission = Admission(
            gate=self._entry.gate, allowance=Allowance(_MEMORY, folder)
        )
        door = Door(injector=self._injector, keys=self.store, admission=admission)
        return Pickup(spool, config.queue, door, watch, self.surroundings)


class Doorbell:
    """Wakes a service that is built later than whoever rings."""

    def __init__(self) -> None:
        """Nobody answers yet."""
        self.answer: Callable[[], None] = _nobody

    def ring(self) -> None:
        """There is new mail."""
        self.answer()


def _nobody() -> None:
    """No manager runs yet; it looks for itself when it starts."""
