# SPDX-License-Identifier: Apache-2.0
"""In which order a message asks several relays."""

from collections import Counter

import pytest

from maildropd.config.routes import Share
from maildropd.route.shares import ordered

IDS = [f"{number:012}" for number in range(4000)]


def share(relay: str, preference: int = 10, weight: int = 1) -> Share:
    return Share(relay=relay, preference=preference, weight=weight)


def test_the_lowest_preference_comes_first_whatever_the_weights() -> None:
    three = [share("c", 30), share("a", 10), share("b", 20, weight=1000)]

    assert {ordered(three, each) for each in IDS} == {("a", "b", "c")}


@pytest.mark.parametrize("weight", [1, 3, 9])
def test_each_of_equal_preference_gets_its_share(weight: int) -> None:
    first = Counter(ordered([share("a"), share("b", 10, weight)], i)[0] for i in IDS)

    assert first["b"] / len(IDS) == pytest.approx(weight / (weight + 1), abs=0.03)


def test_the_one_that_takes_over_is_chosen_by_weight_too() -> None:
    three = [share("a"), share("b", 10, 3), share("c")]
    second = Counter(
        order[1] for each in IDS if (order := ordered(three, each))[0] == "a"
    )

    assert second["b"] / sum(second.values()) == pytest.approx(0.75, abs=0.04)


def test_a_message_asks_in_the_same_order_at_each_attempt() -> None:
    """Also after a restart: what is in doubt at one is not sent by another."""
    four = [share("a"), share("b"), share("c"), share("d")]

    assert ordered(four, "4XK2") == ordered(reversed(four), "4XK2")
    assert ordered(four, "4XK2") == ("c", "b", "d", "a")


def test_one_relay_less_moves_its_own_mail_only() -> None:
    three = [share("a"), share("b"), share("c")]

    for each in IDS[:500]:
        before = ordered(three, each)[0]
        after = ordered(three[:2], each)[0]
        assert before in ("c", after)
