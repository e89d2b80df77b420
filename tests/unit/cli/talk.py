# SPDX-License-Identifier: Apache-2.0
"""A daemon that says what a test wants, and what a command said."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass
class FakeService:
    """What only the daemon itself can answer."""

    errors: list[str] = field(default_factory=list)
    relay_works: bool = True
    shortage: str | None = None

    def reload(self) -> list[str]:
        return self.errors

    def status(self) -> dict[str, object]:
        return {
            "version": "0.1.0",
            "pid": 4711,
            "since": datetime.now(UTC).isoformat(),
            "config": "/etc/maildrop/maildropd.conf",
            "counts": {"ready": 1, "deferred": 2, "hold": 0, "failed": 0},
            "oldest": None,
            "shortage": self.shortage,
            "in_flight": 3,
            "relays": [
                {
                    "name": "smarthost",
                    "way": "relay",
                    "destination": "mx.example.net:25",
                    "works": self.relay_works,
                    "state": "works" if self.relay_works else "fails",
                    "broken_for": None if self.relay_works else 3600.0,
                    "reply": None if self.relay_works else "451 no route",
                    "retry_in": None if self.relay_works else 90.0,
                    "connections": 2,
                    "in_flight": 1,
                    "waiting": 0,
                }
            ],
            "spools": [
                {
                    "name": "drop",
                    "path": "/var/spool/maildrop/drop",
                    "works": True,
                    "condition": "inotify",
                }
            ],
        }


@dataclass
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


Ctl = Callable[..., Said]
Work = Callable[[], Said]
