# SPDX-License-Identifier: Apache-2.0
"""The measurements, one function each; none leaves anything running."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench import mails, meter
from bench.daemon import PINNED, Daemon
from bench.figures import Drain
from bench.logs import Bin
from bench.postfix import Postfix
from bench.sink import Clocked, Sink
from bench.waiting import until

JOURNAL = Path("/run/systemd/journal/socket")
_AT_REST = 6.0  # seconds: longer than the default settle_time
_PAUSE = 0.01  # between two single mails


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where everything lies."""

    root: Path  # of Postfix and smtp-sink
    folder: Path  # ours, made anew for each run


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What it costs to do nothing."""

    megabytes: float
    processes: int
    wakeups: float  # per second
    cpu: float  # seconds per hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds to the final dot of each of many single mails."""

    begun: list[float]  # since the program began to hand it over
    handed: list[float]  # since it had handed it over


def drain(
    place: Place, count: int, state: Path | None = None, *, pinned: bool = False
) -> Drain:
    """Let maildropd empty a drop, with or without a deep queue beside it."""
    folder = _fresh(place, state)
    mails.fill_drop(folder / "drop", count)
    time.sleep(_AT_REST)
    load = os.getloadavg()[0]
    with (
        Bin(JOURNAL),
        Sink(place.root, place.folder) as sink,
        Daemon(folder, around=PINNED if pinned else ()) as ours,
    ):
        last = until(lambda: sink.taken() >= count, "maildropd delivers")
        end = ours.drained()
        return Drain(
            rate=count / (last - ours.exec),
            settled=end - ours.exec,
            cpu=ours.cpu() / count * 1000,
            megabytes=meter.highest(ours.pid),
            load=load,
        )


def drain_postfix(place: Place, postfix: Postfix, count: int) -> Drain:
    """Let Postfix empty its maildrop queue."""
    postfix.restore()
    load = os.getloadavg()[0]
    with Bin(postfix.log), Sink(place.root, place.folder) as sink:
        with meter.Peak(postfix.pids) as peak:
            began = postfix.start()
            last = until(lambda: sink.taken() >= count, "Postfix delivers")
        end = postfix.drained()
        used = postfix.cpu()
        postfix.stop()
    return Drain(
        rate=count / (last - began),
        settled=end - began,
        cpu=used / count * 1000,
        megabytes=peak.megabytes,
        load=load,
    )


def idle(place: Place, seconds: float) -> Idle:
    """Let maildropd do nothing, after it has delivered one mail."""
    folder = _fresh(place)
    with Bin(JOURNAL), Sink(place.root, place.folder) as sink, Daemon(folder) as ours:
        ours.ready()
        mails.put(ours.drop, 0)
        mails.show(ours.drop, 0)
        until(lambda: sink.taken() == 1, "maildropd delivers one")
        return _at_rest(lambda: [ours.pid], seconds)


def idle_postfix(postfix: Postfix, seconds: float) -> Idle:
    """Let Postfix do nothing."""
    postfix.empty()
    with Bin(postfix.log):
        postfix.start()
        with postfix:
            return _at_rest(postfix.pids, seconds)


def latency(place: Place, count: int) -> Latency:
    """Drop mails one by one, and time each."""
    folder = _fresh(place)
    begun, handed = [], []
    with Bin(JOURNAL), Clocked() as sink, Daemon(folder) as ours:
        ours.ready()
        for number in range(count):
            first = time.monotonic()
            mails.put(ours.drop, number)
            then = time.monotonic()
            mails.show(ours.drop, number)
            arrived = sink.wait_for(number + 1)
            begun.append(arrived - first)
            handed.append(arrived - then)
            time.sleep(_PAUSE)
    return Latency(begun=begun[1:], handed=handed[1:])


def latency_postfix(postfix: Postfix, count: int) -> Latency:
    """Send mails one by one through sendmail, and time each."""
    postfix.empty()
    begun, handed = [], []
    with Bin(postfix.log), Clocked() as sink:
        postfix.start()
        with postfix:
            for number in range(count):
                first = time.monotonic()
                postfix.send(number)
                then = time.monotonic()
                arrived = sink.wait_for(number + 1)
                begun.append(arrived - first)
                handed.append(max(arrived - then, 0.0))
                time.sleep(_PAUSE)
    return Latency(begun=begun[1:], handed=handed[1:])


def ready(place: Place, state: Path | None, times: int) -> list[float]:
    """Return the seconds from exec to READY=1."""
    found = []
    folder = _fresh(place, state)
    for _ in range(times):
        with Bin(JOURNAL), Daemon(folder) as ours:
            found.append(ours.ready())
    return found


def _at_rest(pids: meter.Pids, seconds: float) -> Idle:
    time.sleep(35)  # until idle connections and processes have gone
    found = list(pids())
    wakeups, used = meter.wakeups(found), meter.cpu(found)
    time.sleep(seconds)
    return Idle(
        megabytes=meter.memory(found),
        processes=len(found),
        wakeups=(meter.wakeups(found) - wakeups) / seconds,
        cpu=(meter.cpu(found) - used) / seconds * 3600,
    )


def _fresh(place: Place, state: Path | None = None) -> Path:
    folder = place.folder / "box"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    if state is not None:
        shutil.copytree(state, folder / "state")
        os.sync()
    return folder
