# SPDX-License-Identifier: Apache-2.0
"""The bounds that keep every part small enough to be read at once."""

from collections.abc import Callable, Iterable, Iterator
from math import ceil
from statistics import median, quantiles

import pytest

from tests.shape import measure
from tests.shape.house import Source, source, sources

HOUSE = sources("maildropd")
TESTS = sources("tests")
TOOLS = [*sources("scripts"), *sources("bench")]

Rule = Callable[[Iterable[Source]], Iterator[str]]


@pytest.mark.parametrize("rule", [measure.too_large, measure.headless, measure.busy])
def test_the_house_keeps(rule: Rule) -> None:
    assert list(rule(HOUSE)) == []


@pytest.mark.parametrize(
    "rule", [measure.too_large, measure.headless, measure.mocks_and_sleeps]
)
def test_the_tests_keep(rule: Rule) -> None:
    assert list(rule(TESTS)) == []


@pytest.mark.parametrize("rule", [measure.too_large, measure.headless])
def test_the_tools_keep(rule: Rule) -> None:
    assert list(rule(TOOLS)) == []


def test_most_functions_are_much_shorter_than_the_bound() -> None:
    lengths = [measure.lines(f) for part in HOUSE for f in measure.functions(part)]

    assert quantiles(lengths, n=10)[8] <= 18


def test_most_modules_are_much_shorter_than_the_bound() -> None:
    assert median(part.length for part in HOUSE) <= 120


def test_everything_is_caught_in_four_places_at_most() -> None:
    """One attempt, one session, one file, one service loop: each survives a bug."""
    assert len(list(measure.broad_excepts(HOUSE))) <= 4


def test_tools_are_silenced_rarely_and_with_a_reason() -> None:
    everything = [*HOUSE, *TESTS, *TOOLS]
    found = list(measure.suppressions(everything))
    length = sum(part.length for part in everything)

    assert [place for place, reason in found if not reason] == []
    assert len(found) <= ceil(0.5 * length / 1000), [place for place, _ in found]


HEAD = f'{measure.SPDX}\n"""What it is for."""\n'
LONG = "\n".join(f"x{n} = {n}" for n in range(251))
DEEP = "def f():\n" + "    pass\n" * 40


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (measure.too_large, LONG),
        (measure.too_large, DEEP),
        (measure.too_large, "def f(self, a, b, c, *, d, e, f): ..."),
        (measure.broad_excepts, "try: f()\nexcept Exception: g()"),
        (measure.broad_excepts, "try: f()\nexcept: g()"),
        (measure.broad_excepts, "try: f()\nexcept (OSError, BaseException): g()"),
        (measure.broad_excepts, "with contextlib.suppress(Exception): f()"),
        (measure.headless, '"""What it is for."""'),
        (measure.headless, measure.SPDX),
        (measure.headless, f'{measure.SPDX}\n"""One.\n' + "\nMore." * 9 + '\n"""'),
        (measure.busy, f"{HEAD}print('hello')"),
        (measure.busy, f"{HEAD}cache = {{}}"),
        (measure.busy, f"{HEAD}cache: dict[str, str] = {{}}"),
        (measure.busy, f"{HEAD}names = ('a', ['b'])"),
        (measure.busy, f"{HEAD}lock = threading.Lock()"),
        (measure.busy, f"{HEAD}for x in (): pass"),
        (measure.busy, f"{HEAD}def f():\n    global x\n    x = 1"),
        (measure.mocks_and_sleeps, "from unittest import mock"),
        (measure.mocks_and_sleeps, "from unittest.mock import Mock"),
        (measure.mocks_and_sleeps, "def test_x(mocker): ..."),
        (measure.mocks_and_sleeps, "time.sleep(0.1)"),
    ],
)
def test_a_breach_is_found(rule: Rule, text: str) -> None:
    assert len(list(rule([source("maildropd/mail/x.py", text)]))) == 1


def test_a_package_that_imports_is_found() -> None:
    package = source("maildropd/mail/__init__.py", "from maildropd.mail import reply")

    assert list(measure.busy([package]))


@pytest.mark.parametrize(
    "text",
    [
        "QueueId = NewType('QueueId', str)",
        "_WORD = re.compile('x')",
        "_CODES: Mapping[int, str] = {1: 'x'}",
        "_EPOCH = 3 * 60",
        "_NAMES = ('a', 'b')",
        "class A: ...",
        "if __name__ == '__main__':\n    sys.exit(main())",
    ],
)
def test_values_that_stay_are_left_alone(text: str) -> None:
    assert list(measure.busy([source("maildropd/mail/x.py", HEAD + text)])) == []


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("x = 1  # noqa: S324", False),
        ("except Exception:  # noqa: BLE001", False),
        ("x = 1  # type: ignore[misc]", False),
        ("x = 1  # noqa: S324 - only a name, not a secret", True),
        ("x = 1  # type: ignore[misc]  # the library has no types", True),
    ],
)
def test_a_silenced_tool_must_say_why(comment: str, *, reason: bool) -> None:
    found = list(measure.suppressions([source("maildropd/mail/x.py", comment)]))

    assert [said for _, said in found] == [reason]
