# SPDX-License-Identifier: Apache-2.0
"""One line of the table tried out: mail to a bad server, then to a good one."""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Event
from maildropd.store.base import MessageView, RecipientView
from tests.fakes.actions import reply
from tests.faults.server_acts import LOGIN, Scene
from tests.faults.server_stand import SMALL, Stand
from tests.faults.server_table import Row

BOB, EVE, GOOD = "bob@example.net", "eve@example.net", "good@example.net"
LARGE = (b"x" * 900 + b"\n") * 5_000  # more than the kernel takes in advance


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was seen."""

    queue_id: QueueId
    relay: str
    took: float  # seconds, the attempt
    left: tuple[RecipientView, ...]  # after it
    due: tuple[timedelta | None, ...]
    pause: timedelta | None  # of the breaker
    events: tuple[Event, ...]  # of the attempt
    good_took: float  # seconds, for the next good message
    copies: Counter[str]  # in all
    finally_left: tuple[RecipientView, ...]


def tried_out(row: Row, folder: Path) -> Record:
    """Send a message to two, then another, then wait for the first again."""
    with Scene(row) as scene:
        login = LOGIN if scene.with_login else None
        stand = Stand(folder, scene.relay(), login=login)
        try:
            return _tried_out(row, scene, stand)
        finally:
            stand.stop()


def _tried_out(row: Row, scene: Scene, stand: Stand) -> Record:
    stand.start()
    if row.stage in ("rset", "quit"):
        _keep_a_connection(row, scene, stand)
    known = len(stand.journal.events)
    begun, now = time.monotonic(), stand.clock.now()
    name = stand.add(BOB, EVE, content=LARGE if row.stage == "body" else SMALL)
    left = _left(stand.tried(name))
    took = time.monotonic() - begun
    events = tuple(stand.journal.events[known:])
    pause = stand.breaker.wait()

    scene.behave()
    begun = time.monotonic()
    stand.go(pause or timedelta(0))
    good = stand.add(GOOD)
    stand.gone(good)
    good_took = time.monotonic() - begun
    if any(each.due for each in left):
        stand.go(timedelta(minutes=5))
        stand.gone(name)
    return Record(
        queue_id=name,
        relay=f"127.0.0.1:{scene.server.port}",
        took=took,
        left=left,
        due=tuple(None if e.due is None else e.due - now for e in left),
        pause=pause,
        events=events,
        good_took=good_took,
        copies=Counter(r for t in scene.server.delivered for r in t.recipients),
        finally_left=_left(stand.store.show(name)),
    )


def _keep_a_connection(row: Row, scene: Scene, stand: Stand) -> None:
    """Have one message tried, so that the next begins with RSET, or after QUIT."""
    if row.stage == "rset":
        no = reply("550 5.1.1 nobody")
        scene.server.on("rcpt", no, matching="nobody", times=1)
    stand.tried(stand.add("nobody@example.net"))


def _left(view: MessageView | None) -> tuple[RecipientView, ...]:
    return view.recipients if view else ()
