# SPDX-License-Identifier: Apache-2.0
"""One run of one side: the mails on the disk, then all of them at the server."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.delivery.group import group
from bench.delivery.network import Network
from bench.delivery.server import Server
from bench.delivery.side import Load, Side
from bench.meter import Peak
from bench.waiting import TooSlow, until

_TIDYING = 60.0  # seconds, for what comes after the last final dot


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the runs take place."""

    network: Network
    postfix: Path  # the root that has smtp-sink
    groups: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What was measured."""

    delivered: int  # messages that came to the server
    seconds: float  # from the start to the last of them
    cpu: float  # processor seconds of all processes, in all
    megabytes: float  # at the most
    connections: int  # at the most, at once
    cut: bool  # it took too long, and was stopped
    left: int  # mails that still waited when all had come
    load: float  # of the machine, before

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.delivered / self.seconds

    @property
    def cost(self) -> float:
        """Processor seconds per 1,000 messages."""
        return self.cpu / max(self.delivered, 1) * 1000

    def told(self) -> str:
        """Return it in a line."""
        return (
            f"{self.delivered:,} in {self.seconds:.2f} s{' (cut)' if self.cut else ''},"
            f" {self.rate:,.1f}/s, {self.cost:.2f} CPU s per 1,000,"
            f" {self.megabytes:.0f} MB, {self.connections} connections,"
            f" load {self.load:.1f}{f', {self.left} LEFT' if self.left else ''}"
        )


def run(
    place: Place, side: Side, load: Load, limit: float, traced: Path | None = None
) -> Run:
    """Fill, start, and wait for the last; no longer than the limit."""
    side.fill(load)
    os.sync()
    before = os.getloadavg()[0]
    with (
        group(place.groups, "side", traced) as group_of_side,
        Server(place.network, place.postfix) as server,
        Peak(group_of_side.pids) as peak,
        ended(side),
    ):
        begun = side.begin(group_of_side, load)
        cut = not _delivered(side, load, server, begun.at + limit)
        delivered = server.taken()
        if not cut:
            # Who leaves something is measured all the same, and it is said.
            with suppress(TooSlow):
                until(lambda: not side.left(), "nothing is left", limit=_TIDYING)
        left = 0 if cut else side.left()
        cpu = group_of_side.cpu() - begun.cpu
        highest = side.highest()
    return Run(
        delivered=delivered,
        seconds=limit if cut else server.last() - begun.at,
        cpu=cpu,
        megabytes=max(peak.megabytes, highest),
        connections=server.connections,
        cut=cut,
        left=left,
        load=before,
    )


@contextmanager
def ended(side: Side) -> Iterator[None]:
    """End a side's run, whatever happened."""
    try:
        yield
    finally:
        side.end()


def _delivered(side: Side, load: Load, server: Server, deadline: float) -> bool:
    """Wait until everything has come; False when the time is over."""

    def has_come() -> bool:
        if load.recipients == 1:
            return server.taken() >= load.count
        # How many transactions it will make of the recipients is its own affair.
        return server.taken() > 0 and not side.left()

    while not has_come():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
