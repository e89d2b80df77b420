# SPDX-License-Identifier: Apache-2.0
"""Tells in one mail what was not told one by one, and takes it out of the queue.

Whoever stayed as failed though his sender may be told is found here: beyond
what one address gets in an hour, or because a report could not be made.
"""

from concurrent.futures import Future
from datetime import timedelta

from maildropd.bounce.case import Fate
from maildropd.bounce.digest import Entry
from maildropd.bounce.rules import Addressed, Wish, wants
from maildropd.mail.bounce_events import BouncesDigested
from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Journal
from maildropd.mail.events import MessageDone
from maildropd.mail.reply import Reply
from maildropd.queue.guard import guarded
from maildropd.queue.press import Letter, Press
from maildropd.store.base import MessageView, RecipientView, Settled, State
from maildropd.store.retiring import Failures

_EVERY = timedelta(minutes=10)
_STEP = 500  # messages
_MOST = 10_000  # recipients in one mail, and in memory
_UNSAID = Reply(550, "5.0.0", "no reason was kept")

Found = list[tuple[QueueId, int, Entry]]


class Digester:
    """One configuration's; goes through all that failed, in short steps."""

    def __init__(self, press: Press, failures: Failures, journal: Journal) -> None:
        """Begin with the first."""
        self._press = press
        self._failures = failures
        self._journal = journal
        self._clock = press.office.clock
        self._due = self._clock.monotonic()
        self._after = ""
        self._found: dict[Addressed, Found] = {}

    def tick(self) -> None:
        """Make a step, if it is time for one; raise ``StoreUnusable``."""
        if self._clock.monotonic() >= self._due:
            self._due = self._clock.monotonic() + _EVERY
            guarded(self._step, self._journal, "the reports on many")

    def _step(self) -> None:
        ids = self._failures.list(self._after, _STEP)
        for queue_id in ids:
            view = self._press.office.store.show(queue_id)
            if view is not None:
                self._gather(view)
        full = sum(map(len, self._found.values())) >= _MOST
        if len(ids) == _STEP:
            self._due, self._after = self._clock.monotonic(), ids[-1]
        else:
            self._after = ""
        if full or not self._after:
            found, self._found = self._found, {}
            for to, entries in found.items():
                self._send(to, entries)

    def _gather(self, view: MessageView) -> None:
        office, manner = self._press.office, self._press.manner
        for each in view.recipients:
            if each.state is not State.FAILED or not wants(each.terms, Wish.FAILURE):
                continue
            to = manner.post.addressee(view.envelope, each.forward_path)
            if to and not office.damper.rests(to.to, manner.config.hourly_limit):
                entry = Entry(mail=self._press.mail(view.envelope), fate=_fate(each))
                mine = self._found.setdefault(to, [])
                mine.append((view.envelope.queue_id, each.number, entry))

    def _send(self, to: Addressed, found: Found) -> None:
        letter = self._press.digest(to, [entry for _, _, entry in found])
        failed = [(queue_id, number) for queue_id, number, _ in found]
        digested = BouncesDigested(
            bounce=letter.queue_id,
            sender=to.to,
            messages=len({queue_id for queue_id, _ in failed}),
            recipients=len(failed),
        )
        future = self._failures.retire(failed, letter.notice)
        future.add_done_callback(lambda done: self._tell(letter, digested, done))

    def _tell(
        self, letter: Letter, digested: BouncesDigested, done: Future[Settled]
    ) -> None:
        if done.exception() is not None or not done.result().noticed:
            return
        for event in (*letter.events, digested):
            self._journal.emit(event)
        for queue_id in done.result().done:
            self._journal.emit(MessageDone(queue_id=queue_id))
        self._press.office.posted()


def _fate(recipient: RecipientView) -> Fate:
    return Fate(
        forward_path=recipient.forward_path,
        reply=recipient.reply or _UNSAID,
        relay=recipient.relay,
        orcpt=recipient.terms.orcpt,
    )
