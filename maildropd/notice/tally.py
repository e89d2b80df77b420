# SPDX-License-Identifier: Apache-2.0
"""Mail now, count, or put into a digest: decided from what is on record.

The first failure of a unit opens its window, and is mailed.  Further ones are
counted until the window closes; then one digest tells of them, and the next
window opens.  Failures are taken off the record only when a mail is handed
over, so what is killed between the two is told of later, not never.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from maildropd.notice.failure import Failure

_KINDS = 10  # distinct results of one unit; the rest have one name
_OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How much mail is too much."""

    window: timedelta = timedelta(hours=1)
    burst: int = 10  # mails ...
    span: timedelta = timedelta(minutes=10)  # ... in this time
    units: int = 2000  # on record; failures of more are only counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """One unit and its window, with the failures no mail has told of yet."""

    opened: datetime
    closes: datetime
    window: timedelta  # of the next one
    latest: Failure
    first: datetime
    count: int = 0
    results: Mapping[str, int] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """The unit it is about."""
        return self.latest.unit

    def is_over(self, now: datetime) -> bool:
        """Tell whether the window has closed, also if the clock was set back."""
        return not self.opened <= now < self.closes

    def plus(self, failure: Failure) -> "Tally":
        """Return it with one failure more."""
        what = failure.what
        if what not in self.results and len(self.results) >= _KINDS:
            what = _OTHER
        return replace(
            self,
            latest=failure,
            first=self.first if self.count else failure.at,
            count=self.count + 1,
            results={**self.results, what: self.results.get(what, 0) + 1},
        )

    def minus(self, told: "Tally") -> "Tally":
        """Return it without what a mail told of; more may have come meanwhile."""
        left = {what: n - told.results.get(what, 0) for what, n in self.results.items()}
        return replace(
            self,
            first=self.latest.at,
            count=max(0, self.count - told.count),
            results={what: n for what, n in left.items() if n > 0},
        )

    def at_once(self) -> "Tally":
        """Return it due: the next round shall tell of it."""
        return replace(self, closes=self.opened)

    def opened_anew(self, now: datetime) -> "Tally":
        """Return it in the window after the one that has closed."""
        return replace(self, opened=now, closes=now + self.window)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What is on record for all units together."""

    mailed: tuple[datetime, ...] = ()
    unrecorded: int = 0  # failures of units beyond those on record

    def room(self, now: datetime, terms: Terms) -> int:
        """Return how many mails more may go out now."""
        return max(0, terms.burst - len(self._recent(now, terms)))

    def plus(self, mails: int, now: datetime, terms: Terms) -> "Ledger":
        """Return it with some mails more, and without those of long ago."""
        recent = (*self._recent(now, terms), *[now] * mails)
        return replace(self, mailed=recent[-terms.burst :])

    def _recent(self, now: datetime, terms: Terms) -> tuple[datetime, ...]:
        return tuple(at for at in self.mailed if now - terms.span < at <= now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done about a failure."""

    mail: bool
    tally: Tally | None  # to be recorded; None: there is no room for it
    ledger: Ledger


def on_failure(
    failure: Failure, tally: Tally | None, known: int, ledger: Ledger, terms: Terms
) -> Decision:
    """Decide about a failure, of a unit with this record, among so many known."""
    now = failure.at
    if tally and (tally.count or not tally.is_over(now)):
        return Decision(mail=False, tally=tally.plus(failure), ledger=ledger)
    if tally is None and known >= terms.units:
        more = replace(ledger, unrecorded=ledger.unrecorded + 1)
        return Decision(mail=False, tally=None, ledger=more)
    new = Tally(
        opened=now,
        closes=now + terms.window,
        window=terms.window,
        latest=failure,
        first=now,
    ).plus(failure)
    if not ledger.room(now, terms):
        return Decision(mail=False, tally=new.at_once(), ledger=ledger)
    return Decision(mail=True, tally=new, ledger=ledger.plus(1, now, terms))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What is to be done about the windows that have closed."""

    digests: tuple[Tally, ...] = ()  # a mail for each
    together: tuple[Tally, ...] = ()  # one mail for all of them
    over: tuple[Tally, ...] = ()  # nothing happened; to be forgotten


def on_round(
    tallies: Iterable[Tally], now: datetime, ledger: Ledger, terms: Terms
) -> Round:
    """Decide about all windows; a digest for each, or one for too many."""
    due = sorted(
        (tally for tally in tallies if tally.is_over(now)),
        key=lambda tally: (tally.first, tally.unit),
    )
    over = tuple(tally for tally in due if not tally.count)
    failed = tuple(tally for tally in due if tally.count)
    if ledger.unrecorded or len(failed) > ledger.room(now, terms):
        return Round(together=failed, over=over)
    return Round(digests=failed, over=over)
