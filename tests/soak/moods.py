# SPDX-License-Identifier: Apache-2.0
"""How a smarthost may feel: what it does instead of the usual, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.fakes import actions
from tests.fakes.actions import Action, drop, keep, reply, then

_STAGES = ("connect", "banner", "ehlo", "mail", "rcpt", "data", "body", "dot", "quit")
_HANG = 4  # seconds; longer than the daemon's time limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """At this stage, so often, do that."""

    stage: str
    chance: float
    action: Action
    for_good: bool = False  # a refusal that fails recipients


def habits(mood: str) -> tuple[Habit, ...]:
    """Return what belongs to a mood; nothing to ``good``."""
    everywhere = _EVERYWHERE.get(mood)
    if everywhere is not None:
        chance, action = everywhere
        return tuple(
            Habit(stage=stage, chance=chance, action=action) for stage in _STAGES
        )
    return _MOODS[mood]


def _pause(seconds: float) -> Action:
    return lambda peer: peer.pause(seconds)


def _habit(stage: str, chance: float, action: Action, *, good: bool = False) -> Habit:
    return Habit(stage=stage, chance=chance, action=action, for_good=good)


_EVERYWHERE: Mapping[str, tuple[float, Action]] = {
    "dropping": (0.04, drop()),
    "resetting": (0.04, actions.reset()),
    "hanging": (0.03, then(_pause(_HANG), drop())),
    "slow": (0.2, then(_pause(0.1), actions.usual())),
    "halting": (0.05, actions.reply_and_close("421 4.3.2 going down")),
}
_MOODS: Mapping[str, tuple[Habit, ...]] = {
    "good": (),
    "busy": (
        _habit("mail", 0.1, reply("451 4.3.0 not now")),
        _habit("rcpt", 0.3, reply("452 4.2.2 full")),
        _habit("data", 0.1, reply("451 4.3.0 not now")),
        _habit("dot", 0.2, reply("451 4.3.0 not now")),
    ),
    "picky": (_habit("rcpt", 0.2, reply("550 5.1.1 nobody"), good=True),),
    "rejecting": (_habit("dot", 0.2, reply("554 5.6.0 no"), good=True),),
    "forgetful": (_habit("dot", 0.3, then(keep(), drop())),),
    "speechless": (_habit("dot", 0.2, then(keep(), _pause(_HANG), drop())),),
    "closing": (_habit("dot", 0.5, then(actions.usual(), drop())),),
    "babbling": (
        _habit("mail", 0.1, actions.raw(b"hello there\r\n")),
        _habit("rcpt", 0.1, actions.raw(b"250-ok\r\n550 no\r\n")),
        _habit("dot", 0.1, then(keep(), actions.raw(b"\xff\xfe\0\r\n"))),
    ),
    "strict": (_habit("mail", 0.05, reply("530 5.7.0 log in first")),),
    "few": (
        _habit("rcpt", 0.05, reply("452 4.5.3 too many recipients")),
        _habit("quit", 0.5, drop()),
    ),
}
