# SPDX-License-Identifier: Apache-2.0
"""The configuration of the soak: what may change, and how it may be wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Self

_HEAD = """\
[daemon]
state_directory = disk/state
hostname = soak.example
drain_timeout = 3s

[submission]
check_senders = no

[queue]
message_size_limit = 6M
first_retry = 1s
slowest_retry = 4s

[spool drop]
path = disk/drop
quarantine = disk/drop-quarantine
poll_interval = 2s
settle_time = 0
lock_expiry = 1h

[spool shop]
path = disk/shop
quarantine = disk/shop-quarantine
watch = poll
poll_interval = 500ms
settle_time = 1s
lock_expiry = 1h
"""
_LATER = """
[spool later]
path = disk/later
quarantine = disk/later-quarantine
poll_interval = 2s
settle_time = 1s
lock_expiry = 1h
"""
_RELAY = """
[relay smarthost]
host = 127.0.0.1
tls = none
connect_timeout = 2s
greeting_timeout = 2s
command_timeout = 2s
data_timeout = 2s
final_timeout = 2s
idle_timeout = 1s
"""
_MISTAKES: Mapping[str, str] = {
    "key": "\n[queue]\nfirst_rety = 5min\n",
    "value": "\n[queue]\nfirst_retry = soon\n",
    "syntax": "\n[queue\n",
    "move": "\n[daemon]\nstate_directory = elsewhere\n",
}
_PER_CONNECTION = 3  # messages in flight: docs/QUEUE.md, "Why a mail can arrive twice"
_OVERLAP = 20.0  # seconds in which a former configuration may still finish mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the administrator wants at present."""

    relay: str = "a"
    connections: int = 4
    spools: int = 3

    def changed(self, how: str) -> Self:
        """Return what is wanted after one of the plan's changes."""
        match how:
            case "other relay":
                return replace(self, relay="b" if self.relay == "a" else "a")
            case "two spools":
                return replace(self, spools=5 - self.spools)
            case "same":
                return self
            case _:
                return replace(self, connections=int(how))

    def text(self, ports: Mapping[str, int], mistake: str = "") -> str:
        """Return the configuration file."""
        parts = [
            _HEAD,
            _LATER if self.spools == 3 else "",
            _RELAY,
            f"max_connections = {self.connections}\n",
            f"port = {ports[self.relay]}\n",
            _MISTAKES.get(mistake, ""),
        ]
        return "".join(parts)


class History:
    """What was in force lately: a former configuration finishes its mail."""

    def __init__(self) -> None:
        """Begin with what is the default here."""
        self._past: list[tuple[float, int]] = [(0.0, Settings().connections)]

    def add(self, settings: Settings) -> None:
        """Note a change."""
        self._past.append((monotonic(), settings.connections))

    def in_flight(self) -> int:
        """Return how many messages may be in flight now, at the very most."""
        now = monotonic()
        recent = [each for at, each in self._past if now - at < _OVERLAP]
        before = [each for at, each in self._past if now - at >= _OVERLAP][-1:]
        return _PER_CONNECTION * sum(recent + before)
