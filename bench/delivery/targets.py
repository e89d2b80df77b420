# SPDX-License-Identifier: Apache-2.0
"""What was to be reached, and whether a run has reached it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bench.delivery.bench import OURS, POSTFIX
from bench.delivery.deep import SHALLOW
from bench.figures import markdown

Facts = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One of them; without the facts that it needs it says nothing."""

    text: str
    needs: str
    found: Callable[[Facts], str]
    reached: Callable[[Facts], bool]


def _at_least(text: str, needs: str, times: float) -> Target:
    return Target(
        text=text,
        needs=needs,
        found=lambda facts: f"{facts[needs]:.2f}x",
        reached=lambda facts: facts[needs] >= times,
    )


def _under(text: str, needs: str, most: float) -> Target:
    return Target(
        text=text,
        needs=needs,
        found=lambda facts: f"{facts[needs]:.0f} MB",
        reached=lambda facts: facts[needs] < most,
    )


_IN, _OUT = f"accept, {OURS}", f"deliver, {OURS}"
_MANY = {name: f"recipients, {name}" for name in (OURS, POSTFIX)}

TARGETS = (
    _at_least("queue to server, next door: 2x Postfix", "queue", 2),
    _at_least("the same: 3x, aimed at", "queue", 3),
    _at_least("drop to server: 3x Postfix's maildrop directory", "drop", 3),
    _at_least("drop to server: above MaildropHost's own loop", "drop, loop", 1),
    _at_least("50 ms, 20 connections: 2x Postfix", "far, 20", 2),
    _at_least("50 ms, 100 connections: 2x Postfix", "far, 100", 2),
    Target(
        text=f"a message among 1,000,000 within 1.2x of one among {SHALLOW:,}",
        needs="depth",
        found=lambda facts: (
            f"{facts['depth']:.2f}x, CPU {facts['depth, CPU']:.2f}x,"
            f" among {facts['depth, deepest']:,.0f}"
        ),
        reached=lambda facts: (
            facts["depth"] <= 1.2 and facts["depth, deepest"] >= 1_000_000
        ),
    ),
    _under("memory at that depth under 120 MB", "depth, MB", 120),
    _under("20 MB mails on 20 connections under 200 MB", "huge", 200),
    Target(
        text="CPU per 1,000 below Postfix's",
        needs="cpu",
        found=lambda facts: f"{facts['cpu']:.2f} s, his {facts['cpu, Postfix']:.2f} s",
        reached=lambda facts: facts["cpu"] < facts["cpu, Postfix"],
    ),
    Target(
        text="accepting and delivering at once, each at half its speed or more",
        needs=_IN,
        found=lambda facts: f"{facts[_IN]:.0%} and {facts[_OUT]:.0%}",
        reached=lambda facts: min(facts[_IN], facts[_OUT]) >= 0.5,
    ),
    Target(
        text="one mail to 1,000 at 50 ms within 0.9 s",
        needs=_MANY[OURS],
        found=lambda facts: f"{facts[_MANY[OURS]]:.2f} s",
        reached=lambda facts: facts[_MANY[OURS]] <= 0.9,
    ),
    Target(
        text="the same within Postfix's time in this run",
        needs=_MANY[OURS],
        found=lambda facts: (
            f"{facts[_MANY[OURS]]:.2f} s, his {facts[_MANY[POSTFIX]]:.2f} s"
        ),
        reached=lambda facts: facts[_MANY[OURS]] <= facts[_MANY[POSTFIX]],
    ),
)


def table(facts: Facts) -> str:
    """Return what can be said of them."""
    return markdown([["target", "found", ""], *_rows(facts)])


def _rows(facts: Facts) -> Iterator[list[str]]:
    for target in TARGETS:
        if target.needs in facts:
            verdict = "reached" if target.reached(facts) else "**not reached**"
            yield [target.text, target.found(facts), verdict]
