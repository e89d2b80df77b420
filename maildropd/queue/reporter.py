# SPDX-License-Identifier: Apache-2.0
"""From verdicts to reports: who failed leaves the queue as his report enters it.

Who cannot be told stays in the queue as failed, and so does all that is beyond
what one sender can read.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from maildropd.bounce.case import Action, Fate
from maildropd.bounce.rules import Addressed, Wish, wants
from maildropd.mail.bounce_events import BouncesDamped, NobodyToTell
from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Event
from maildropd.mail.events import RecipientExpired, RecipientFailed
from maildropd.mail.reply import Reply
from maildropd.queue.press import Letter, Press
from maildropd.queue.verdict import Verdict

_UNSAID = Reply(550, "5.0.0", "no reason was given")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is to be recorded of an attempt, and told once it is."""

    verdicts: Sequence[Verdict]
    letters: tuple[Letter, ...] = ()
    events: tuple[Event, ...] = ()  # beside those of letters and verdicts


class Reporter:
    """Reports on outcomes; shared by all threads."""

    def __init__(self, press: Press) -> None:
        """Take what makes the reports."""
        self._press = press

    def answer(self, verdicts: Sequence[Verdict]) -> Answer:
        """Have those leave the queue who can be reported, and say who cannot.

        The verdicts may be on several messages.
        """
        groups: dict[tuple[QueueId, Action, Addressed], list[int]] = {}
        untold: Counter[QueueId] = Counter()
        for number, verdict in enumerate(verdicts):
            queue_id, to = verdict.settlement.queue_id, self._addressee(verdict)
            if to is not None and verdict.action is not None:
                groups.setdefault((queue_id, verdict.action, to), []).append(number)
            elif _has_no_sender(verdict):
                untold[queue_id] += 1
        events = [NobodyToTell(queue_id=q, recipients=n) for q, n in untold.items()]
        answer = Answer(verdicts=verdicts, events=tuple(events))
        for (_, action, to), numbers in groups.items():
            answer = self._reported(answer, action, to, numbers)
        return answer

    def posted(self) -> None:
        """Reports have been stored: have them sent."""
        self._press.office.posted()

    def _addressee(self, verdict: Verdict) -> Addressed | None:
        """Return who is told; None if nobody can be, or wants to be."""
        envelope, terms = verdict.envelope, verdict.settlement.recipient.terms
        if envelope is None:
            return None
        wish = Wish.FAILURE if verdict.action is Action.FAILED else Wish.SUCCESS
        if not wants(terms, wish):
            return None
        if wish is Wish.SUCCESS and envelope.reverse_path is None:
            return None
        return self._press.manner.post.addressee(
            envelope, verdict.settlement.recipient.forward_path
        )

    def _reported(
        self, answer: Answer, action: Action, to: Addressed, numbers: Sequence[int]
    ) -> Answer:
        limit = self._press.manner.config.hourly_limit
        if action is Action.FAILED:
            sent = self._press.office.damper.take(to.to, limit)
            if sent > limit:
                damped = BouncesDamped(sender=to.to, limit=limit)
                news = (damped,) if sent == limit + 1 else ()
                return replace(answer, events=(*answer.events, *news))
        told = list(answer.verdicts)
        envelope = told[numbers[0]].envelope
        assert envelope is not None, "it has an addressee"
        fates = [self._fate(told[number]) for number in numbers]
        letter = self._press.report(envelope, to, action, fates)
        for number in numbers:
            told[number] = _with_report(told[number], letter.queue_id)
        return replace(answer, verdicts=told, letters=(*answer.letters, letter))

    def _fate(self, verdict: Verdict) -> Fate:
        one, clock = verdict.settlement, self._press.office.clock
        return Fate(
            forward_path=one.recipient.forward_path,
            reply=one.reply or _UNSAID,
            relay=one.relay,
            orcpt=one.recipient.terms.orcpt,
            expired=verdict.expired,
            at=clock.wall(),
        )


def _has_no_sender(verdict: Verdict) -> bool:
    envelope, failed = verdict.envelope, verdict.action is Action.FAILED
    return failed and envelope is not None and envelope.reverse_path is None


def _with_report(verdict: Verdict, bounce: QueueId) -> Verdict:
    """Return a verdict by which the recipient leaves the queue."""
    event = verdict.event
    if isinstance(event, (RecipientFailed, RecipientExpired)):
        event = replace(event, bounce=bounce)
    settlement = replace(verdict.settlement, state=None, due=None)
    return replace(verdict, settlement=settlement, event=event)
