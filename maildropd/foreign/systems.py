# SPDX-License-Identifier: Apache-2.0
"""Every system that we take over from: what can be read of it, and how."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from maildropd.foreign import (
    busy,
    dma,
    dma_queue,
    msmtp,
    msmtp_queue,
    nullmailer,
    nullmailer_queue,
    postfix,
    ssmtp,
)
from maildropd.foreign.imported import Imported
from maildropd.foreign.maildrophost import importing as maildrophost
from maildropd.foreign.maildrophost import queue as maildrophost_queue
from maildropd.foreign.queued import Queued


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Where mail waits."""

    read: Callable[[Path], Iterator[Queued]]
    busy: Callable[[Path], str]  # who works in it, in words; nothing if nobody does


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One of them; in place of a queue may be words that say why there is none."""

    imported: Callable[[Path], Imported]
    queue: Queue | str


_MAILDROPHOST = Queue(read=maildrophost_queue.queued, busy=busy.maildrophost)

SYSTEMS: Mapping[str, System] = {
    "maildrophost": System(imported=maildrophost.imported, queue=_MAILDROPHOST),
    "infrae.maildrophost": System(imported=maildrophost.imported, queue=_MAILDROPHOST),
    "nullmailer": System(
        imported=nullmailer.imported,
        queue=Queue(read=nullmailer_queue.queued, busy=busy.nullmailer),
    ),
    "msmtp": System(
        imported=msmtp.imported,
        queue=Queue(read=msmtp_queue.queued, busy=msmtp_queue.busy),
    ),
    "ssmtp": System(
        imported=ssmtp.imported,
        queue="has no queue: what it could not send is in dead.letter of each user",
    ),
    "dma": System(
        imported=dma.imported, queue=Queue(read=dma_queue.queued, busy=dma_queue.busy)
    ),
    "postfix": System(
        imported=postfix.imported,
        queue="let it send what waits: postqueue -f, until postqueue -p shows nothing",
    ),
}
