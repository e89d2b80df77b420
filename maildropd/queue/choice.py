# SPDX-License-Identifier: Apache-2.0
"""Which of several next hops a message takes: the best one that works.

One that is broken gets a single message as a probe when its pause is over;
all others go where they are taken meanwhile.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from maildropd.queue.branches import Branches
from maildropd.queue.lane import Lane
from maildropd.route.base import NextHop, Router
from maildropd.store.base import Lease, LeasedRecipient


def split(
    lease: Lease,
    router: Router,
    choose: Callable[[Sequence[NextHop], LeasedRecipient], NextHop],
) -> Iterator[tuple[NextHop, Lease]]:
    """Split a lease by next hop; one hop is the usual case."""
    groups: dict[NextHop, list[LeasedRecipient]] = {}
    for recipient in lease.recipients:
        hop = choose(router.next_hops(lease.envelope, recipient), recipient)
        groups.setdefault(hop, []).append(recipient)
    if len(groups) == 1:
        yield next(iter(groups)), lease
        return
    for hop, recipients in groups.items():
        yield hop, replace(lease, recipients=tuple(recipients))


def best(
    hops: Sequence[NextHop],
    recipient: LeasedRecipient,
    branches: Branches,
    *,
    old: bool,
) -> NextHop:
    """Return the hop to take.

    What is ``old`` would expire with a failure of its probe, so it is none
    while another way works; and if none does, it takes the one that was seen
    to work last, whose failure has lasted for the shortest time.
    """
    if len(hops) == 1:
        return hops[0]
    lanes = {hop: branches.known(hop) for hop in hops}
    for hop, lane in lanes.items():
        if lane is None or lane.breaker.broken is None:
            return hop
        if not old and _may_probe(lane, recipient):
            return hop
    broken = {hop: lane for hop, lane in lanes.items() if lane is not None}
    if old:
        return min(broken, key=lambda hop: broken[hop].breaker.lasted())
    return min(broken, key=lambda hop: broken[hop].breaker.wait() or timedelta(0))


def _may_probe(lane: Lane, recipient: LeasedRecipient) -> bool:
    """Tell whether a probe may go, and none is under way.

    Who was refused may mean us, but an attempt was counted: the same recipient
    would be put off again and again, and never come to the way that works.
    """
    broken, wait = lane.breaker.broken, lane.breaker.wait()
    due = wait is not None and not wait and not lane.in_flight
    worn = broken is not None and broken.refused and recipient.attempts > 0
    return due and not worn
