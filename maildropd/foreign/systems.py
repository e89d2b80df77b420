# SPDX-License-Identifier: Apache-2.0
"""Every system that we take over from: what can be read of it, and how."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from maildropd.foreign import (
    busy,
    dma,
    dma_queue,
    gsconfig,
    msmtp,
    msmtp_queue,
    nullmailer,
    nullmailer_queue,
    postfix,
    postfix_queue,
    ssmtp,
    zope_sendmail_ini,
)
from maildropd.foreign.imported import Imported
from maildropd.foreign.maildirs import reading as maildirs
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
    instance: Callable[[Path, str], Imported] | None = None  # one of several


_MAILDROPHOST = Queue(read=maildrophost_queue.queued, busy=busy.maildrophost)

_MAILDIR = Queue(read=maildirs.queued, busy=busy.maildir)

SYSTEMS: Mapping[str, System] = {
    "maildrophost": System(imported=maildrophost.imported, queue=_MAILDROPHOST),
    "infrae.maildrophost": System(imported=maildrophost.imported, queue=_MAILDROPHOST),
    "gs.email": System(
        imported=gsconfig.imported, queue=_MAILDIR, instance=gsconfig.imported
    ),
    "zope.sendmail": System(imported=zope_sendmail_ini.imported, queue=_MAILDIR),
    "repoze.sendmail": System(imported=zope_sendmail_ini.imported, queue=_MAILDIR),
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
        queue=Queue(read=postfix_queue.queued, busy=postfix_queue.busy),
    ),
}
