# SPDX-License-Identifier: Apache-2.0
"""Accepting and delivering at once, beside each alone.

smtp-source hands over on twenty connections that are kept, for some seconds;
what is delivered meanwhile is counted at the server.
"""

import os
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench import mails
from bench.delivery.bench import OURS, POSTFIX, Bench
from bench.delivery.group import group
from bench.delivery.race import ended
from bench.delivery.server import Server
from bench.delivery.side import From, Load, Side
from bench.figures import markdown
from bench.sink import environ
from bench.waiting import until

_SMTPD = "inet:127.0.0.2:25"
_SESSIONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What one side did in some seconds."""

    accepted: float = 0.0  # per second
    delivered: float = 0.0


def both(bench: Bench) -> str:
    """Let each side accept, then deliver, then do both."""
    head = ["messages/s, 20 connections in", "accepted alone", "delivered alone"]
    lines = [[*head, "accepted at once", "", "delivered at once", ""]]
    for side in (bench.ours, bench.postfix):
        accepting = _phase(bench, side, submits=True, delivers=False)
        delivering = _phase(bench, side, submits=False, delivers=True)
        at_once = _phase(bench, side, submits=True, delivers=True)
        in_share = at_once.accepted / accepting.accepted
        out_share = at_once.delivered / delivering.delivered
        cells = [
            side.name,
            f"{accepting.accepted:,.0f}",
            f"{delivering.delivered:,.0f}",
        ]
        cells += [f"{at_once.accepted:,.0f}", f"{in_share:.0%}"]
        lines.append([*cells, f"{at_once.delivered:,.0f}", f"{out_share:.0%}"])
        bench.say(f"  {', '.join(lines[-1])}")
        bench.facts[f"accept, {side.name}"] = in_share
        bench.facts[f"deliver, {side.name}"] = out_share
    return markdown(lines)


def _phase(bench: Bench, side: Side, *, submits: bool, delivers: bool) -> Phase:
    count, seconds = bench.scale.both
    load = Load(where=From.QUEUE, count=count if delivers else 1)
    side.fill(load)
    os.sync()
    with ExitStack() as stack:
        server = None
        if delivers:
            server = Server(bench.place.network, bench.place.postfix)
            stack.enter_context(server)
        own = stack.enter_context(group(bench.place.groups, "side"))
        stack.enter_context(ended(side))
        side.begin(own, load)
        if server:
            coming = server
            until(lambda: coming.taken() > 0, "the first one comes", pace=0.002)
        began = time.monotonic()
        before = server.taken() if server else 0
        accepted = _submitted(bench, side, seconds) if submits else _waited(seconds)
        took = time.monotonic() - began
        delivered = server.taken() - before if server else 0
    return Phase(accepted=accepted / took, delivered=delivered / took)


def _waited(seconds: float) -> int:
    time.sleep(seconds)
    return 0


def _submitted(bench: Bench, side: Side, seconds: float) -> int:
    """Run smtp-source for a while; return how many were taken from it."""
    doors = {OURS: f"unix:{bench.ours.box}/run/submission", POSTFIX: _SMTPD}
    root = bench.place.postfix
    program = [str(root / "usr/sbin/smtp-source"), "-c", "-d", "-s", str(_SESSIONS)]
    whom = ["-f", mails.SENDER, "-t", mails.recipient(0), "-l", str(mails.SIZE)]
    counts = bench.ours.box.parent / "source"
    with counts.open("wb") as file:
        process = subprocess.Popen(
            [*program, *whom, "-m", "100000000", doors[side.name]],
            stdout=file,
            env=environ(root),
            cwd="/",
        )
        time.sleep(seconds)
        assert process.poll() is None, "smtp-source has ended"
        process.terminate()
        process.wait()
    return _counted(counts.read_bytes())


def _counted(said: bytes) -> int:
    whole = said.rpartition(b"\r")[0].rpartition(b"\r")[2]
    return int(whole or 0)
