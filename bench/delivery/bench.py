# SPDX-License-Identifier: Apache-2.0
"""All sides and the place they run in; runs of many, turn and turn about.

What is compared ran one right after the other, so that other work on the
machine hits all alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.delivery.ours import Ours
from bench.delivery.postfix import Postfix
from bench.delivery.race import Place, Run, run
from bench.delivery.side import Load, Side

OURS = "maildropd"
POSTFIX = "Postfix"

Runs = Mapping[str, Sequence[Run]]  # by the side's name, one for each round


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is run."""

    counts: Sequence[int] = (2_000, 10_000, 100_000)
    rounds: int = 3
    limit: float = 60.0  # seconds; a run that takes longer is cut
    slow: float = 20.0  # the same for all but us and Postfix
    large: tuple[int, int] = (500, 100_000)  # mails, octets
    far: Sequence[tuple[int, int]] = ((20, 2_000), (100, 5_000))  # connections, mails
    recipients: int = 1_000
    huge: tuple[int, int] = (100, 20_000_000)
    depths: Sequence[int] = (100_000, 1_000_000)
    deep_limit: float = 120.0  # seconds, of the deepest
    shallow: int = 7  # rounds of a thousand
    both: tuple[int, float] = (40_000, 10.0)  # mails, seconds
    syncs: int = 200


QUICK = Scale(
    counts=(500, 1_000),
    rounds=1,
    limit=10.0,
    slow=2.0,
    large=(20, 100_000),
    far=((20, 300), (100, 500)),
    huge=(10, 20_000_000),
    depths=(20_000,),
    deep_limit=20.0,
    shallow=2,
    both=(4_000, 3.0),
    syncs=50,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything a course needs."""

    place: Place
    ours: Ours
    postfix: Postfix
    others: Sequence[Side]
    scale: Scale
    say: Callable[[str], None]
    facts: dict[str, float] = field(default_factory=dict)  # for the targets

    @property
    def sides(self) -> Sequence[Side]:
        """All, ours first."""
        return (self.ours, self.postfix, *self.others)

    def runs(
        self, sides: Sequence[Side], load: Load, rounds: int | None = None
    ) -> Runs:
        """Run all that take such a load; one that was cut once is not run again."""
        found: dict[str, list[Run]] = {}
        for number in range(self.scale.rounds if rounds is None else rounds):
            for side in sides:
                before = found.setdefault(side.name, [])
                if not side.takes(load) or (before and before[-1].cut):
                    continue
                fast = side.name in (OURS, POSTFIX)
                limit = self.scale.limit if fast else self.scale.slow
                before.append(run(self.place, side, load, limit))
                self.say(f"  {number + 1}: {side.name}: {before[-1].told()}")
        return {name: some for name, some in found.items() if some}


def ratio(runs: Runs, one: str, other: str) -> float:
    """Return how many times the other's rate one's is, pair by pair."""
    pairs = zip(runs[one], runs[other], strict=False)
    return median(first.rate / second.rate for first, second in pairs)


def rate(runs: Sequence[Run]) -> float:
    """Return the median of the rates."""
    return median(each.rate for each in runs)


def cost(runs: Sequence[Run]) -> float:
    """Return the median of the processor seconds per 1,000."""
    return median(each.cost for each in runs)
