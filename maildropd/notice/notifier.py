# SPDX-License-Identifier: Apache-2.0
"""From a failure, or the end of a window, to what is on record and in the mail.

On record first, then mailed, then off the record.  The lock is not held while
a mail is made or handed over: others fail meanwhile.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from maildropd.notice import letter
from maildropd.notice.book import Book
from maildropd.notice.failure import Failure, failure, monitored
from maildropd.notice.sender import NotHanded, Sender
from maildropd.notice.tally import Tally, Terms, on_failure, on_round
from maildropd.notice.witness import Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Tells root."""

    book: Book
    witness: Witness
    sender: Sender
    now: Callable[[], datetime]
    host: str
    terms: Terms

    def failed(self, what: Failure) -> str:
        """Mail or count a failure; return what was done; raise ``NotHanded``."""
        if what.is_ours:
            return f"{what.unit} failed: not mailed, it is what mails"
        what = self._known(what)
        with self.book.open() as pages:
            decision = on_failure(
                what,
                pages.tally(what.unit),
                pages.known(),
                pages.ledger(),
                self.terms,
            )
            pages.write_ledger(decision.ledger)
            if decision.tally:
                pages.write(decision.tally)
        if decision.mail and decision.tally:
            seen = self._evidence(what)
            mail = letter.first(what, seen, self.host, self.terms.window)
            self._tell(mail, decision.tally)
            return f"{what.unit} failed: mailed to {letter.TO}"
        count = decision.tally.count if decision.tally else decision.ledger.unrecorded
        return f"{what.unit} failed: {count} to be told of in a digest"

    def round(self) -> Iterator[str]:
        """Mail the digests that are due; yield what was done for each.

        What cannot be handed over stays on record for the next round.
        """
        now = self.now()
        with self.book.open() as pages:
            ledger = pages.ledger()
            due = on_round(pages.tallies(), now, ledger, self.terms)
            for tally in due.over:
                pages.forget(tally.unit)
            count = ledger.unrecorded
            mails = len(due.digests) + bool(due.together or count)
            pages.write_ledger(ledger.plus(mails, now, self.terms))
        for tally in due.digests:
            seen = self._evidence(tally.latest)
            self._tell(letter.digest(tally, seen, self.host, now), tally)
            yield f"{tally.unit}: mailed a digest of {tally.count}"
        if due.together or count:
            mail = letter.together(due.together, count, self.host, now)
            self._tell(mail, *due.together)
            self._forget_unrecorded(count)
            yield f"{letter.summary(due.together, count)}: mailed one digest"

    def _tell(self, mail: bytes, *tallies: Tally) -> None:
        try:
            self.sender.hand(mail)
        except NotHanded:
            self._settle(tallies, lambda now, _: now.at_once())
            raise
        self._settle(tallies, self._told)

    def _told(self, now: Tally, told: Tally) -> Tally:
        rest = now.minus(told)
        return rest.opened_anew(self.now()) if told.is_over(self.now()) else rest

    def _settle(
        self, tallies: tuple[Tally, ...], change: Callable[[Tally, Tally], Tally]
    ) -> None:
        with self.book.open() as pages:
            for tally in tallies:
                # Whoever removed it has nothing to be told of any more.
                if now := pages.tally(tally.unit):
                    pages.write(change(now, tally))

    def _forget_unrecorded(self, count: int) -> None:
        with self.book.open() as pages:
            ledger = pages.ledger()
            left = max(0, ledger.unrecorded - count)
            pages.write_ledger(replace(ledger, unrecorded=left))

    def _known(self, what: Failure) -> Failure:
        """Return it with what nobody told us; the unit may run again already."""
        if what.invocation or what.result:
            return what
        shown = self.witness.properties(what.unit)
        return failure(monitored(shown), what.unit, what.at)

    def _evidence(self, what: Failure) -> letter.Evidence:
        shown = self.witness.properties(what.unit).get("NRestarts", "")
        return letter.Evidence(
            state=self.witness.state(what.unit),
            log=self.witness.log(what.invocation) if what.invocation else None,
            restarts=int(shown) if shown.isdecimal() else 0,
        )
