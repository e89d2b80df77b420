# SPDX-License-Identifier: Apache-2.0
"""A schedule can be played again, and every one of them is fit to be played."""

import pytest

from tests.soak.letters import letter
from tests.soak.plan import Step, plan

SEEDS = range(20)
ENDS = {"freeze": "thaw", "fill": "free", "close": "open", "begin": "finish"}


def named(steps: tuple[Step, ...], act: str) -> list[Step]:
    return [step for step in steps if step.act == act]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_is_the_same_schedule(seed: int) -> None:
    assert plan(seed, 60) == plan(seed, 60)
    assert plan(seed, 60) != plan(seed + 1, 60)


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_is_in_a_schedule_of_ci(seed: int) -> None:
    acts = {step.act for step in plan(seed, 150)}

    assert acts >= {
        *("leave", "begin", "push", "finish", "replace", "rewrite", "spoil", "ambush"),
        *("mood", "operate", "change", "mistake", "freeze", "thaw", "fill", "free"),
        *("kill", "strike", "start", "rest"),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_killed_between_two_looks_at_one_life(seed: int) -> None:
    """Memory of two processes cannot be compared.

    And a thread that each reload leaves behind must show beside those of a pool.
    """
    steps = plan(seed, 150)

    warm = steps.index(next(s for s in steps if s.words == ("warm",)))
    life = steps.index(next(s for s in steps if s.words == ("life",)))

    assert not {s.act for s in steps[1:life]} & {"kill", "stop", "hurry"}
    assert named(steps[life:], "kill")
    assert len(named(steps[warm:life], "change")) > 8


@pytest.mark.parametrize("seed", SEEDS)
def test_what_begins_also_ends(seed: int) -> None:
    steps = plan(seed, 300)

    for begin, end in ENDS.items():
        assert len(named(steps, begin)) == len(named(steps, end))
    assert [step.at for step in steps] == sorted(step.at for step in steps)


@pytest.mark.parametrize("size", ["small", "odd", "many", "large", "huge"])
def test_a_letter_can_be_written_again(size: str) -> None:
    """Only then need the ledger keep no contents."""
    for number in range(1, 4):
        assert letter(7, number, size) == letter(7, number, size)
        assert letter(7, number, size) != letter(8, number, size)
