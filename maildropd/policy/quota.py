# SPDX-License-Identifier: Apache-2.0
"""How much each user may submit in a stretch of time.

A bucket for each user and section runs full in that time; what is taken out of
it was submitted.  It is in memory: a restart fills all of them.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta

from maildropd.config.model import SubmitterConfig
from maildropd.config.rate import Rate
from maildropd.host.clock import Clock
from maildropd.mail.errors import NotNow
from maildropd.mail.reply import Reply

_MOST = 10_000  # buckets; those that rested longest are forgotten


class QuotaExceeded(NotNow):
    """The submitter has had his share for now."""

    default = Reply(452, "4.7.1")


@dataclass(slots=True)
class _Bucket:
    level: float
    at: timedelta


class Quotas:
    """The buckets of all users; safe to call from any thread."""

    def __init__(self, clock: Clock) -> None:
        """Begin with every bucket full."""
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, int | None], _Bucket] = {}

    def take(self, section: SubmitterConfig, uid: int | None, size: int) -> None:
        """Take one message of so many octets, or nothing: raise ``QuotaExceeded``.

        A message larger than a whole bucket takes a full one, or it could
        never pass.
        """
        wanted = [
            ("message_quota", section.message_quota, 1),
            ("byte_quota", section.byte_quota, size),
        ]
        now = self._clock.monotonic()
        with self._lock:
            takings = []
            for key, rate, amount in wanted:
                if rate is None:
                    continue
                bucket = self._bucket((section.name, key, uid), rate, now)
                taken = min(amount, rate.amount)
                if bucket.level < taken:
                    raise QuotaExceeded(_words(key, rate, section))
                takings.append((bucket, taken))
            for bucket, taken in takings:
                bucket.level -= taken

    def give_back(self, section: SubmitterConfig, uid: int | None, size: int) -> None:
        """Undo it: the message was not stored."""
        wanted = (
            ("message_quota", section.message_quota, 1),
            ("byte_quota", section.byte_quota, size),
        )
        with self._lock:
            for key, rate, amount in wanted:
                bucket = self._buckets.get((section.name, key, uid))
                if rate is not None and bucket is not None:
                    level = bucket.level + min(amount, rate.amount)
                    bucket.level = min(level, rate.amount)

    def _bucket(
        self, key: tuple[str, str, int | None], rate: Rate, now: timedelta
    ) -> _Bucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MOST:
                self._forget_idle()
            bucket = self._buckets[key] = _Bucket(rate.amount, now)
        grown = (now - bucket.at) / rate.period * rate.amount
        bucket.level = min(bucket.level + grown, rate.amount)
        bucket.at = now
        return bucket

    def _forget_idle(self) -> None:
        by_rest = sorted(self._buckets.items(), key=lambda pair: pair[1].at)
        for key, _ in by_rest[: _MOST // 2]:
            del self._buckets[key]


def _words(key: str, rate: Rate, section: SubmitterConfig) -> str:
    what = "messages" if key == "message_quota" else "octets"
    return (
        f"more than {rate.amount} {what} in {rate.period}"
        f" ({key} in [submitter {section.name}])"
    )
