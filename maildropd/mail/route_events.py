# SPDX-License-Identifier: Apache-2.0
"""How a relay fares: whether it can be reached, and whether it wants our mail."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from maildropd.mail.event import Event, Priority
from maildropd.mail.reply import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteFailed(Event):
    """The way to a relay is broken; its mail waits, nothing fails."""

    event_id: ClassVar[str] = "a18efdaa19e55be1ab7042c87fe96bf5"
    priority: ClassVar[Priority] = Priority.ERROR
    template: ClassVar[str] = (
        "relay {relay}: unreachable, next try in {retry_in} s ({reply})"
    )
    relay: str
    reply: Reply
    retry_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainUnreachable(Event):
    """No server of a domain can be used; its mail waits, that of others goes."""

    event_id: ClassVar[str] = "014d3594092f448b94ab940d5e984d0e"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "domain {relay}: no server can be used, next try in {retry_in} s ({reply})"
    )
    relay: str
    reply: Reply
    retry_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAlarm(Event):
    """The relay refuses us altogether; only a person can mend that."""

    event_id: ClassVar[str] = "f1a354f989215971a906456135fc8489"
    priority: ClassVar[Priority] = Priority.ALERT
    template: ClassVar[str] = (
        "relay {relay}: refuses this host, mail waits until that is mended ({reply})"
    )
    relay: str
    reply: Reply
    retry_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRestored(Event):
    """The relay answers again; the waiting mail goes out."""

    event_id: ClassVar[str] = "93081c294c855a76970e19821f2c7e79"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "relay {relay}: reachable again after {delay} s"
    relay: str
    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCrowded(Event):
    """The relay serves fewer connections than it was offered; that many are used."""

    event_id: ClassVar[str] = "f8634116d64d7ddcb6ae3182ab7070b7"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "relay {relay}: serves {connections} connections and no more ({reply})"
    )
    relay: str
    connections: int
    reply: Reply
