# SPDX-License-Identifier: Apache-2.0
"""What an event is: a frozen dataclass, a fixed id, one line of text.

An event is an interface: scripts match ids and fields, people read the text.
Field names follow from attribute names, so that they cannot disagree.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import cache
from string import Formatter
from typing import ClassVar, Protocol

from maildropd.mail.reply import Reply


class Priority(IntEnum):
    """The levels of syslog(3) and the journal."""

    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened.

    ``event_id`` is the journal's MESSAGE_ID and never changes; ``template``
    is the text, with attributes in braces.
    """

    event_id: ClassVar[str]
    priority: ClassVar[Priority] = Priority.INFO
    template: ClassVar[str]

    def text(self) -> str:
        """Return the one line people read."""
        words = {name: _shown(getattr(self, name)) for name in _said(self.template)}
        return self.template.format_map(words)

    def fields(self) -> dict[str, str]:
        """Return the journal fields, ``MAILDROP_*``; what is None is left out.

        A duration is in microseconds and says so (``_USEC``); a reply also
        gives its enhanced status (``MAILDROP_DSN``).
        """
        found: dict[str, str] = {}
        for name, key in _names(type(self).__slots__):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, (str, int)):  # most are
                found[key] = str(value)
            elif isinstance(value, timedelta):
                found[key + "_USEC"] = str(round(value.total_seconds() * 1e6))
            elif isinstance(value, Reply):
                found[key] = str(value)
                found["MAILDROP_DSN"] = value.status
            else:
                found[key] = _word(value)
        return found


@cache
def _names(slots: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return the attributes of a kind of event, each with its journal field."""
    return tuple((name, "MAILDROP_" + name.upper()) for name in slots)


@cache
def _said(template: str) -> tuple[str, ...]:
    """Return the attributes that a text is made of."""
    fields = (field for _, field, _, _ in Formatter().parse(template) if field)
    return tuple(dict.fromkeys(field.partition(".")[0] for field in fields))


class Journal(Protocol):
    """Where events go."""

    def emit(self, event: Event) -> None:
        """Write one event; never raise, never block, callable from any thread."""
        ...


def _shown(value: object) -> object:
    return value if isinstance(value, (str, int, Reply)) else _word(value)


def _word(value: object) -> str:
    match value:
        case None:
            return ""
        case timedelta():
            seconds = value.total_seconds()
            return f"{seconds:.2f}" if abs(seconds) < 100 else str(round(seconds))
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case _:
            return str(value)
