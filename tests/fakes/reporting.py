# SPDX-License-Identifier: Apache-2.0
"""What reports on mail that failed, with all it needs; nobody asks for their route."""

from collections.abc import Callable
from datetime import timedelta
from random import Random

from maildropd.bounce.rules import Post
from maildropd.config.model import BouncesConfig
from maildropd.host.clock import Clock
from maildropd.mail.draft import Recipient
from maildropd.queue.damper import Damper
from maildropd.queue.press import Manner, Office, Press
from maildropd.queue.reporter import Reporter
from maildropd.store.base import QueueStore
from maildropd.store.injector import QueueIds

HOST = "mail.example.org"


def nobody() -> None:
    """There is nobody to be woken."""


def press(
    store: QueueStore,
    clock: Clock,
    config: BouncesConfig | None = None,
    posted: Callable[[], None] = nobody,
) -> Press:
    """Return what makes reports."""
    config = config or BouncesConfig()
    ids = QueueIds(clock, Random(1).getrandbits)
    # Where time is held, a test's own messages have ids of that very moment.
    ids._last = clock.now() + timedelta(minutes=1)
    office = Office(
        store=store,
        ids=ids,
        clock=clock,
        damper=Damper(clock.monotonic),
        token=lambda: "f00d",
        posted=posted,
    )
    manner = Manner(
        host=HOST,
        post=Post((), config.double_bounces_to),
        config=config,
        give_up_after=timedelta(days=5),
        names=lambda address: (Recipient(forward_path=address),),
    )
    return Press(office, manner)


def reporter(
    store: QueueStore, clock: Clock, posted: Callable[[], None] = nobody
) -> Reporter:
    """Return what reports as it does by default."""
    return Reporter(press(store, clock, posted=posted))
