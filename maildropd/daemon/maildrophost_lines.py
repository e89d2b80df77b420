# SPDX-License-Identifier: Apache-2.0
"""Outcomes in the words of MaildropHost's log, for what reads such a log.

``OK``, ``FATAL`` and ``BAD`` stand for delivered, failed, and tried again; a
line names those of a message's recipients that fared alike.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from maildropd.mail.event import Event
from maildropd.mail.events import (
    RecipientDeferred,
    RecipientDelivered,
    RecipientExpired,
    RecipientFailed,
    RecipientInDoubt,
)
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import DomainUnreachable, RouteAlarm, RouteFailed

Outcome = (
    RecipientDelivered
    | RecipientFailed
    | RecipientExpired
    | RecipientDeferred
    | RecipientInDoubt
)
Trouble = RouteFailed | RouteAlarm | DomainUnreachable

_OF_LOGIN = frozenset({432, 454, 530, 534, 535, 538})


def is_told(event: Event) -> bool:
    """Tell whether there is a line for an event of this kind."""
    return isinstance(event, Outcome | Trouble)


def started(at: datetime) -> str:
    """Return the line above a run."""
    return f"\n### Started at {_shown(at)}..."


def finished(at: datetime) -> str:
    """Return the line below it."""
    return f"\n### Finished at {_shown(at)}\n"


def lines(events: Iterable[Event], at: datetime) -> str:
    """Return the lines of what happened, each behind its line end."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    said: dict[tuple[object, ...], str] = {}  # in the order of their first word
    for event in events:
        if isinstance(event, Trouble):
            said[len(said),] = f"!!!!! {_trouble(event)} at {_shown(at)}"
        elif isinstance(event, Outcome):
            key = _group(event)
            groups.setdefault(key, []).append(event)
            said.setdefault(key, "")
    for key, group in groups.items():
        to = ",".join(one.recipient for one in group)
        said[key] = f"{_status(group)}\t {to}"
    return "".join(f"\n{line}" for line in said.values())


def _group(event: Outcome) -> tuple[object, ...]:
    """A delivered or failed recipient has a line with all such of its message."""
    what = (event.queue_id, event.attempt, _word(event))
    return (*what, event.reply) if _word(event) == "BAD: " else what


def _word(event: Outcome) -> str:
    match event:
        case RecipientDelivered():
            return "OK"
        case RecipientFailed() | RecipientExpired():
            return "FATAL: "
        case _:
            return "BAD: "


def _status(group: Sequence[Outcome]) -> str:
    word = _word(group[0])
    if word == "OK":
        return word
    if word == "BAD: ":
        return ascii((word, ascii(_said(group[0].reply))))
    return ascii((word, ascii({one.recipient: _said(one.reply) for one in group})))


def _said(reply: Reply) -> tuple[int, str]:
    """Return code and text as a server says them, the status first if it gave one."""
    given = not reply.status.endswith(".0.0")
    return reply.code, f"{reply.status} {reply.text}" if given else reply.text


def _trouble(event: Trouble) -> str:
    if event.reply.status == "4.7.4":
        return "TLS unavailable"
    if isinstance(event, RouteAlarm) and event.reply.code in _OF_LOGIN:
        return "Authentication failed"
    return "Connection error"


def _shown(at: datetime) -> str:
    return at.astimezone().strftime("%Y/%m/%d %H:%M:%S")
