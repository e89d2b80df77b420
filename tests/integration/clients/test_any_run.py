# SPDX-License-Identifier: Apache-2.0
"""Any words, any mail, any daemon: nothing breaks, and no success is made up.

What happens is drawn by a seed, the same each time, as far as the time goes.
"""

import os
import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from tests.fakes.sendmail_daemon import (
    Act,
    SendmailDaemon,
    answer,
    answer_and_go,
    answer_early,
    hang_up,
    reset,
    say_nothing,
)
from tests.integration.clients.stage import DEADLINE, Ended, Stage
from tests.integration.clients.twins import check_sanity

RUNS = 3000
SECONDS = 15.0
FEW = 50  # in that time, on a machine that is busy
WORDS = (
    *(b"-t", b"-i", b"-oi", b"-f", b"-fa@b", b"-bp", b"-bs", b"-bv", b"-q", b"-I"),
    *(b"", b"-", b"--", b"---", b"-b", b"-bm", b"bob", b"\xff\xfe", b"%s%n", b"-tif"),
)
ANSWERS = (
    *(b"0 ", b"0 queued\n", b"65 no\n", b"75 later\n", b"255 x", b"000 ", b"999 x"),
    *(b"", b"0", b"75", b"no", b" ", b"1234 x", b"-1 x", b"\0", b"0\0 x", b"%n%s 1"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run: what is said, by whom, and what is closed."""

    words: Sequence[bytes]
    mail: bytes
    said: bytes  # by the daemon; empty for none
    acts: Sequence[Act]  # none: it is not there
    drop_is_closed: bool
    closed: str  # of the standard files

    @classmethod
    def drawn(cls, draw: Random) -> "Plan":
        said = draw.choice(ANSWERS) + draw.randbytes(draw.choice([0, 0, 9, 5000]))
        after = draw.choice([b"#", b"bob", b"\n.\n", b"0\n"])
        ends = [answer(said), answer_early(said, after), answer_and_go(said)]
        ends += [hang_up(after), reset(), hang_up()]
        if draw.random() < 0.01:
            ends = [say_nothing(hear=draw.random() < 0.5)]
        return cls(
            words=[_word(draw) for _ in range(draw.choice([0, 1, 2, 3, 9, 200]))],
            mail=_mail(draw),
            said=said,
            acts=draw.choices(ends, k=draw.choice([0, 1, 2, 2])),
            drop_is_closed=draw.random() < 0.2,
            closed="".join(f" {each}>&-" for each in "012" if draw.random() < 0.1),
        )


def _word(draw: Random) -> bytes:
    odd = draw.randbytes(draw.choice([1, 20, 3000])).replace(b"\0", b"")
    return draw.choice([*WORDS, odd, b"-" + odd])


def _mail(draw: Random) -> bytes:
    lines = [b"Subject: x\n", b"\n", b".\n", b"0\n", b"\r\n", b"a\0b", b"x" * 70_000]
    lines.append(draw.randbytes(100))
    return b"".join(draw.choices(lines, k=draw.choice([0, 1, 5, 40])))


def carried_out(plan: Plan, stage: Stage) -> Ended:
    within = ("sh", "-c", f'exec "$0" "$@"{plan.closed}')
    process = stage.start(*plan.words, hasty=True, within=within)
    out, err = process.communicate(plan.mail, DEADLINE)
    check_sanity(process.returncode, err)
    return Ended(code=process.returncode, out=out, err=err)


def is_honest(plan: Plan, ended: Ended, stage: Stage) -> bool:
    """Tell whether a success is one: answered so, or in the drop, all of it."""
    mail = b"" if "0" in plan.closed else plan.mail
    left = [(frame.words[1:], frame.content) for frame in stage.dropped()]
    if left not in ([], [(tuple(plan.words), mail)]):
        return False
    answered = bool(plan.acts) and re.match(rb"0{1,3} ", plan.said) is not None
    if ended.code == 0:
        return bool(left) or answered
    told = re.match(rb"(\d{1,3}) ", plan.said) if plan.acts else None
    codes = {os.EX_TEMPFAIL, min(int(told[1]), 255) if told else os.EX_TEMPFAIL}
    return ended.code in codes and not left


@pytest.mark.parametrize("stage", ["script", "sanitized"], indirect=True)
def test_any_run_ends_and_ends_honestly(stage: Stage) -> None:
    draw = Random(1)
    until = time.monotonic() + SECONDS
    runs = 0
    while runs < RUNS and time.monotonic() < until:
        runs += 1
        plan = Plan.drawn(draw)
        place = stage.run / "sendmail"
        place.unlink(missing_ok=True)
        if plan.drop_is_closed:
            stage.drop.rmdir()
        with ExitStack() as served:
            if plan.acts:
                served.enter_context(SendmailDaemon(place, *plan.acts))
            ended = carried_out(plan, stage)
        stage.drop.mkdir(exist_ok=True)
        assert is_honest(plan, ended, stage), (runs, plan, ended)
        emptied(stage.drop)
    assert runs > FEW


def emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
