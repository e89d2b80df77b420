# SPDX-License-Identifier: Apache-2.0
"""What happens when: a pure function of seed and length.

The same seed gives the same schedule, so that a failure can be played again.
Each actor has dice of its own: a new actor does not change what others do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

_LONGEST = 1200.0  # seconds of one act: a life without a death, then many deaths
_LIFE = 0.45  # of an act
_WARM = 0.35  # of a life, before it is measured first; a minute at most

SPOOLS = ("drop", "shop", "later")
SIZES = ("small",) * 12 + ("odd",) * 4 + ("large", "many")
SAFE = ("renamed", "tmp", "locked", "unsynced")
BAD = (
    "empty",
    "only marks",
    "no colon",
    "no recipient",
    "bad address",
    "too large",
    "symlink",
    "pipe",
    "socket",
    "device",
    "two names",
    "abandoned",
    "directory",
)
MOODS = (
    "busy",
    "picky",
    "rejecting",
    "dropping",
    "resetting",
    "hanging",
    "forgetful",
    "speechless",
    "slow",
    "closing",
    "babbling",
    "halting",
    "strict",
    "few",
)
CHANGES = ("1", "2", "6", "other relay", "two spools", "same")
MISTAKES = ("key", "value", "syntax", "move")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do, so many seconds after the beginning."""

    at: float
    act: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return a line of the schedule."""
        return " ".join([f"{self.at:9.3f}", self.act, *self.words])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A stretch of time, and the dice of one actor in it."""

    start: float
    end: float
    dice: Random
    numbers: Iterator[int]  # of letters; no two the same

    def moments(self, every: float) -> Iterator[float]:
        """Yield when an actor acts, about as often as this."""
        at = self.start + self.dice.expovariate(1 / every)
        while at < self.end:
            yield at
            at += self.dice.expovariate(1 / every)

    def spans(self, every: float, shortest: float, longest: float) -> "Spans":
        """Yield from when to when something lasts; never two at once."""
        at = self.start + self.dice.expovariate(1 / every)
        while at < self.end:
            until = min(at + self.dice.uniform(shortest, longest), self.end)
            yield at, until
            at = until + self.dice.expovariate(1 / every)


Spans = Iterator[tuple[float, float]]
Actor = Callable[[Scene], Iterator[Step]]


def plan(seed: int, seconds: float) -> tuple[Step, ...]:
    """Return the schedule, in order; it ends with everything at rest."""
    numbers = count(1)
    steps = [Step(at=0.0, act="start")]
    acts = max(1, round(seconds / _LONGEST))
    length = seconds / acts
    for act in range(acts):
        start = act * length
        born = start + _LIFE * length
        warm = start + min(60.0, _WARM * _LIFE * length)
        parts = (
            ("warm", start, warm, _ALWAYS),
            ("life", warm, born, _ALWAYS),
            ("deaths", born, start + length, (*_ALWAYS, *_DEADLY)),
        )
        for name, begin, end, actors in parts:
            for actor in actors:
                dice = Random(f"{seed}/{act}/{name}/{actor.__name__}")
                scene = Scene(start=begin, end=end, dice=dice, numbers=numbers)
                steps += actor(scene)
            steps.append(Step(at=end, act="rest", words=(name,)))
    return tuple(sorted(steps, key=lambda step: step.at))


def _writers(scene: Scene) -> Iterator[Step]:
    dice = scene.dice
    for at in scene.moments(0.4):
        size = dice.choice(SIZES)
        spool = dice.choice(SPOOLS)
        # Who writes under the final name needs a drop that waits for a moment.
        manner = dice.choice(SAFE if spool == "drop" else (*SAFE, "bare"))
        number = 1 if size in ("large", "many") else dice.choice((1, 1, 2, 5, 12))
        numbers = ",".join(str(next(scene.numbers)) for _ in range(number))
        yield Step(at=at, act="leave", words=(spool, manner, size, numbers))


def _slow_writers(scene: Scene) -> Iterator[Step]:
    dice = scene.dice
    for begin, end in scene.spans(1.5, 0.5, 4.0):
        number = str(next(scene.numbers))
        manner, size = dice.choice(SAFE), dice.choice(("small", "large"))
        words = (dice.choice(SPOOLS), manner, size, number)
        yield Step(at=begin, act="begin", words=words)
        for _ in range(dice.randrange(3)):
            at = dice.uniform(begin, end)
            yield Step(at=at, act="push", words=(number,))
        yield Step(at=end, act="finish", words=(number,))


def _second_thoughts(scene: Scene) -> Iterator[Step]:
    """Somebody writes his mail anew while it still lies there."""
    dice = scene.dice
    for at in scene.moments(1.0):
        way = dice.choice(("replace", "rewrite"))
        numbers = ",".join(str(next(scene.numbers)) for _ in range(dice.choice((1, 4))))
        size = dice.choice(("small", "small", "large"))
        yield Step(at=at, act=way, words=(dice.choice(SPOOLS), size, numbers))


def _ambushes(scene: Scene) -> Iterator[Step]:
    """Somebody writes his mail anew just while it is read."""
    for at in scene.moments(2.0):
        numbers = (str(next(scene.numbers)), str(next(scene.numbers)))
        words = (scene.dice.choice(("drop", "later")), *numbers)
        yield Step(at=at, act="ambush", words=words)


def _vandals(scene: Scene) -> Iterator[Step]:
    for at in scene.moments(1.2):
        words = (scene.dice.choice(SPOOLS), scene.dice.choice(BAD))
        yield Step(at=at, act="spoil", words=(*words, str(next(scene.numbers))))


def _relays(scene: Scene) -> Iterator[Step]:
    for name in "ab":
        for begin, end in scene.spans(2.0, 1.0, 6.0):
            if scene.dice.random() < 0.15:
                yield Step(at=begin, act="close", words=(name,))
                yield Step(at=end, act="open", words=(name,))
            else:
                mood = scene.dice.choice(MOODS)
                yield Step(at=begin, act="mood", words=(name, mood))
                yield Step(at=end, act="mood", words=(name, "good"))


def _operators(scene: Scene) -> Iterator[Step]:
    acts = ("hold", "hold", "release", "release", "remove", "flush", "status", "queue")
    for at in scene.moments(1.5):
        pick = f"{scene.dice.random():.3f}"
        yield Step(at=at, act="operate", words=(scene.dice.choice(acts), pick))


def _administrators(scene: Scene) -> Iterator[Step]:
    dice = scene.dice
    for at in scene.moments(1.5):
        if dice.random() < 0.3:
            yield Step(at=at, act="mistake", words=(dice.choice(MISTAKES),))
        else:
            way = dice.choice(("hangup", "command"))
            yield Step(at=at, act="change", words=(way, dice.choice(CHANGES)))


def _freezers(scene: Scene) -> Iterator[Step]:
    for begin, end in scene.spans(8.0, 0.3, 3.0):
        yield Step(at=begin, act="freeze")
        if scene.dice.random() < 0.3:
            numbers = ",".join(str(next(scene.numbers)) for _ in range(30))
            yield Step(at=begin, act="flood", words=("drop", numbers))
        yield Step(at=end, act="thaw")


def _disks(scene: Scene) -> Iterator[Step]:
    for begin, end in scene.spans(12.0, 1.0, 5.0):
        left = scene.dice.choice((0, 16, 200, 2000))  # KiB
        yield Step(at=begin, act="fill", words=(str(left),))
        yield Step(at=end, act="free")


def _rivals(scene: Scene) -> Iterator[Step]:
    for at in scene.moments(15.0):
        yield Step(at=at, act="rival")


def _killers(scene: Scene) -> Iterator[Step]:
    dice = scene.dice
    for begin, end in scene.spans(3.0, 0.0, 1.5):
        how = dice.choice(("kill", "kill", "strike", "strike", "stop", "hurry"))
        words: tuple[str, ...] = ()
        if how == "strike":
            words = (",".join(str(next(scene.numbers)) for _ in range(40)),)
        yield Step(at=begin, act=how, words=words)
        yield Step(at=end, act="start")


_ALWAYS: tuple[Actor, ...] = (
    _writers,
    _slow_writers,
    _second_thoughts,
    _ambushes,
    _vandals,
    _relays,
    _operators,
    _administrators,
    _freezers,
    _disks,
    _rivals,
)
_DEADLY: tuple[Actor, ...] = (_killers,)
