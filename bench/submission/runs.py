# SPDX-License-Identifier: Apache-2.0
"""The measurements of one contender in one round.

Each ends when all it handed over has come to the smarthost, so that nothing of
it is left for the next one's time.
"""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import mails
from bench.daemon import HOME
from bench.sink import environ
from bench.submission import client
from bench.submission.contender import Call, Contender
from bench.submission.smarthost import Smarthost

# What smtp-source is told besides, by what the table says of it.
WAYS: Mapping[str, Sequence[str]] = {
    "1 session": ("-s", "1"),
    "20 sessions": ("-s", "20"),
    "1 kept": ("-s", "1", "-d"),
    "20 kept": ("-s", "20", "-d"),
}
_SUBMIT = Path(__file__).with_name("submit.py")
_PAUSE = 0.05  # for what comes after the delivery: removing files and the like


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is run."""

    rounds: int = 4
    row: int = 50  # mails, one after the other
    parallel: int = 125  # mails, eight at a time
    single: int = 10  # mails waited for at the smarthost
    source: int = 500  # mails of smtp-source
    running: int = 800  # mails of a program that goes on running


QUICK = Scale(rounds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one contender did in one round."""

    row: Sequence[float]  # seconds from the start to the exit of each sendmail
    parallel: float  # mails per second
    delivered: Sequence[float]  # seconds from the start to the final dot
    accepted: Mapping[tuple[str, str], float]  # by socket and way, per second
    running: Mapping[str, float]  # a program's mails per second, by its way


class Course:
    """Where a contender is sent through."""

    def __init__(self, smarthost: Smarthost, postfix: Path, scale: Scale) -> None:
        """Take the root where smtp-source is, too."""
        self._smarthost = smarthost
        self._postfix = postfix
        self._scale = scale

    def turn(self, contender: Contender) -> Turn:
        """Measure everything that can be measured of it."""
        scale = self._scale
        self._sent(contender, 1, 1)
        row = self._sent(contender, scale.row, 1)
        eight = self._sent(contender, scale.parallel, 8)
        return Turn(
            row=[end - begin for begin, end in row],
            parallel=scale.parallel / (max(map(max, eight)) - min(map(min, eight))),
            delivered=self._delivered(contender) if contender.delivers else (),
            accepted={
                (socket, way): self._source(contender, where, way)
                for socket, where in contender.smtp.items()
                for way in WAYS
            },
            running=self._running(contender.process) if contender.process else {},
        )

    def _sent(
        self, contender: Contender, count: int, parallel: int
    ) -> list[tuple[float, float]]:
        before = self._smarthost.taken()
        found = called(contender.call, count, parallel)
        if contender.pile is None:
            self._settle(before + count)
        else:  # none begins with what others left
            for file in contender.pile.iterdir():
                file.unlink()
        return found

    def _delivered(self, contender: Contender) -> list[float]:
        found = []
        for _ in range(self._scale.single):
            before = self._smarthost.taken()
            ((begin, _),) = called(contender.call, 1, 1)
            found.append(self._settle(before + 1) - begin)
        return found

    def _source(self, contender: Contender, where: str, way: str) -> float:
        before, count = self._smarthost.taken(), self._scale.source
        program = str(self._postfix / "usr/sbin/smtp-source")
        whom = ("-f", mails.SENDER, "-t", mails.recipient(0), "-l", "2048")
        command = [program, *WAYS[way], *whom, "-m", str(count), where]
        libraries = environ(self._postfix)
        begin = time.monotonic()
        subprocess.run(command, check=True, env=libraries, cwd="/", timeout=120)
        rate = count / (time.monotonic() - begin)
        if contender.delivers:
            self._settle(before + count)
        return rate

    def _running(self, sockets: Path) -> dict[str, float]:
        found = {}
        for way in client.WAYS:
            before, count = self._smarthost.taken(), self._scale.running
            command = [sys.executable, "-m", "bench.submission.client", way]
            done = subprocess.run(
                [*command, sockets, str(count)],
                check=True,
                stdout=subprocess.PIPE,
                cwd=HOME,
                timeout=120,
            )
            found[way] = float(done.stdout)
            self._settle(before + count)
        return found

    def _settle(self, count: int) -> float:
        last = self._smarthost.wait_for(count)
        time.sleep(_PAUSE)
        return last


def called(call: Call, count: int, parallel: int) -> list[tuple[float, float]]:
    """Call a ``sendmail`` many times; return begin and end of each."""
    job = {
        "root": str(call.root),
        "argv": list(call.argv),
        "mail": call.mail,
        "environ": dict(call.environ),
        "count": count,
        "parallel": parallel,
    }
    done = subprocess.run(
        [sys.executable, "-ISB", _SUBMIT],
        check=True,
        input=json.dumps(job),
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
    )
    return [(begin, end) for begin, end in json.loads(done.stdout)]
