# SPDX-License-Identifier: Apache-2.0
"""What senders are told with, built."""

import secrets
from collections.abc import Callable, Sequence
from functools import partial

from maildropd.bounce.rules import Post
from maildropd.config.model import Config
from maildropd.host.clock import Clock
from maildropd.host.process import host_name
from maildropd.mail.draft import Recipient
from maildropd.policy.names import Names
from maildropd.queue.damper import Damper
from maildropd.queue.press import Manner, Office, Press
from maildropd.store.base import QueueStore
from maildropd.store.injector import QueueIds


def office(
    store: QueueStore, ids: QueueIds, clock: Clock, posted: Callable[[], None]
) -> Office:
    """Build what lives as long as the process."""
    damper = Damper(clock.monotonic)
    return Office(
        store=store,
        ids=ids,
        clock=clock,
        damper=damper,
        token=partial(secrets.token_hex, 8),
        posted=posted,
    )


def press(config: Config, place: Office, names: Names) -> Press:
    """Build what depends on the configuration."""

    def resolved(address: str) -> Sequence[Recipient]:
        one = Recipient(forward_path=address)
        return names.expand((one,), config.queue.recipient_limit)

    manner = Manner(
        host=config.daemon.hostname or host_name(),
        post=Post(config.submitters, config.bounces.double_bounces_to),
        config=config.bounces,
        give_up_after=config.queue.give_up_after,
        names=resolved,
    )
    return Press(place, manner)
