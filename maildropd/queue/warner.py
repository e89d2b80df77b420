# SPDX-License-Identifier: Apache-2.0
"""Tells senders once of mail that has waited for long.

A cursor over queue ids, which sort by arrival, says what was looked at; so
each message is looked at once, whatever it waits for, and none is remembered.
"""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import timedelta

from maildropd.bounce.case import Action, Fate
from maildropd.bounce.rules import Addressed, Wish, wants
from maildropd.mail.event import Journal
from maildropd.mail.reply import Reply
from maildropd.queue.guard import guarded
from maildropd.queue.press import Letter, Press
from maildropd.store.base import MessageView, RecipientView, Settled, State

_EVERY = timedelta(minutes=1)
_CHANCE = timedelta(minutes=10)
_PAGE = 50
_MESSAGES = 1000  # looked at in one step
_LETTERS = 50  # made in one step
_AT_MOST = timedelta(seconds=0.1)
_UNTRIED = Reply(451, "4.4.1", "not tried yet: whoever takes it cannot be reached")


class Warner:
    """One configuration's; works in short steps."""

    def __init__(self, press: Press, journal: Journal, after: timedelta) -> None:
        """Warn of what has waited for so long; 0: of nothing."""
        self._press = press
        self._journal = journal
        self._after = after
        self._every = min(_EVERY, after / 4)
        self._clock = press.office.clock
        # A host that was off for a night delivers first, and has then little to tell.
        self._due = self._clock.monotonic() + min(_CHANCE, after / 4)
        self._kept: Future[Settled] | None = None

    def tick(self) -> None:
        """Make a step, if it is time for one; raise ``StoreUnusable``."""
        at_work = self._kept is not None and not self._kept.done()
        if self._after and not at_work and self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + self._every
            guarded(self._step, self._journal, "the delay warnings")

    def _step(self) -> None:
        store = self._press.office.store
        counts = store.counts()
        if not counts[State.READY] + counts[State.DEFERRED]:
            return
        start = at = store.cursor()
        letters: list[Letter] = []
        for view in self._old(start):
            at = view.envelope.queue_id
            letters += self._warnings(view)
            if len(letters) >= _LETTERS:
                self._due = self._clock.monotonic()
                break
        if at != start:
            self._kept = store.keep_cursor(at, [each.notice for each in letters])
            self._kept.add_done_callback(lambda kept: self._tell(letters, kept))

    def _old(self, at: str) -> Iterator[MessageView]:
        """Yield what is old enough, as much as one step may have."""
        store, began = self._press.office.store, self._clock.monotonic()
        youngest = self._clock.now() - self._after
        for _ in range(0, _MESSAGES, _PAGE):
            page = store.list(at, _PAGE)
            for view in page:
                if view.envelope.arrived > youngest:
                    return
                yield view
            if not page:
                return
            at = page[-1].envelope.queue_id
            if self._clock.monotonic() - began > _AT_MOST:
                break
        self._due = self._clock.monotonic()  # there may be more

    def _warnings(self, view: MessageView) -> Iterator[Letter]:
        envelope, manner = view.envelope, self._press.manner
        groups: dict[Addressed, list[Fate]] = {}
        for each in view.recipients:
            to = manner.post.addressee(envelope, each.forward_path)
            if to and envelope.reverse_path is not None and _waits(each):
                groups.setdefault(to, []).append(_fate(each))
        limit = manner.config.hourly_limit
        for to, fates in groups.items():
            # What is beyond is not told: it waits, and what becomes of it is.
            if self._press.office.damper.take(to.to, limit) <= limit:
                yield self._press.report(
                    envelope, to, Action.DELAYED, fates, view.give_up
                )

    def _tell(self, letters: list[Letter], kept: Future[Settled]) -> None:
        if kept.exception() is None and letters:
            for letter in letters:
                for event in letter.events:
                    self._journal.emit(event)
            self._press.office.posted()


def _waits(recipient: RecipientView) -> bool:
    waiting = recipient.state in (State.READY, State.DEFERRED)
    return waiting and wants(recipient.terms, Wish.DELAY)


def _fate(recipient: RecipientView) -> Fate:
    return Fate(
        forward_path=recipient.forward_path,
        reply=recipient.reply or _UNTRIED,
        relay=recipient.relay,
        orcpt=recipient.terms.orcpt,
    )
