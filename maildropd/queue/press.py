# SPDX-License-Identifier: Apache-2.0
"""Makes the messages of our own: whole, before the store is asked to take them.

They leave like other mail: by the aliases and routes that a submission of the
same recipient would have.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from maildropd.bounce.case import Action, Case, Fate, Letterhead, Mail
from maildropd.bounce.digest import Entry, digest
from maildropd.bounce.fields import message_id
from maildropd.bounce.original import Excerpt, excerpt
from maildropd.bounce.report import report
from maildropd.bounce.rules import Addressed, Post
from maildropd.config.model import BouncesConfig
from maildropd.host.clock import Clock
from maildropd.mail.bounce_events import MessageBounced
from maildropd.mail.draft import Recipient
from maildropd.mail.envelope import Envelope, QueueId, Submission, Submitter
from maildropd.mail.errors import MailError, StoreUnusable
from maildropd.mail.event import Event
from maildropd.mail.events import MessageAccepted
from maildropd.queue.damper import Damper
from maildropd.relay.form.seven_bit import convertible
from maildropd.store.base import Notice, QueueStore
from maildropd.store.injector import QueueIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What they are made with, whatever the configuration."""

    store: QueueStore
    ids: QueueIds
    clock: Clock
    damper: Damper
    token: Callable[[], str]  # nobody can guess it
    posted: Callable[[], None]  # there is new mail


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What one configuration says of them."""

    host: str
    post: Post
    config: BouncesConfig
    give_up_after: timedelta
    names: Callable[[str], Sequence[Recipient]]  # where mail for an address goes


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A message to be stored, and what is said once it is."""

    notice: Notice
    events: tuple[Event, ...]

    @property
    def queue_id(self) -> QueueId:
        """Its own."""
        return self.notice.queue_id


class Press:
    """Makes reports and digests; callable from any thread."""

    def __init__(self, office: Office, manner: Manner) -> None:
        """Take what all of them need."""
        self.office = office
        self.manner = manner

    def report(
        self,
        envelope: Envelope,
        to: Addressed,
        action: Action,
        fates: Sequence[Fate],
        retry_until: datetime | None = None,
    ) -> Letter:
        """Make a report on some recipients of a message."""
        until = retry_until and self.office.clock.on_wall(retry_until)
        case = Case(
            mail=self.mail(envelope), action=action, fates=fates, retry_until=until
        )
        original = self._original(envelope, action, in_utf8=not to.to.isascii())
        letter = self._letter(to, lambda head: report(case, head, original))
        bounced = MessageBounced(
            queue_id=envelope.queue_id,
            sender=to.to,
            bounce=letter.queue_id,
            recipients=len(fates),
            action=action,
        )
        notice = replace(letter.notice, about=envelope.queue_id)
        return Letter(notice=notice, events=(*letter.events, bounced))

    def digest(self, to: Addressed, entries: Sequence[Entry]) -> Letter:
        """Make one mail about recipients of many messages."""
        return self._letter(to, lambda head: digest(entries, head))

    def mail(self, envelope: Envelope) -> Mail:
        """Return what reports say of a message."""
        return Mail(
            queue_id=envelope.queue_id,
            reverse_path=envelope.reverse_path or "",
            arrived=self.office.clock.on_wall(envelope.arrived),
            message_id=envelope.message_id,
            envid=envelope.envid,
        )

    def _original(
        self, envelope: Envelope, action: Action, *, in_utf8: bool
    ) -> Excerpt | None:
        """Return what goes back; a success brings the header alone (RFC 3461 4.3).

        All of it only where the report then reaches any server.
        """
        full = envelope.ret == "FULL" and action is Action.FAILED
        limit = self.manner.config.return_limit if full else 0
        try:
            content = self.office.store.content(envelope.queue_id)
            found = excerpt(content, limit, in_utf8=in_utf8)
        except StoreUnusable:  # lost, or not to be read just now
            return None
        if found.whole and not (in_utf8 or convertible(found.octets)):
            # Within a report it would keep that from a server for 7-bit octets;
            # one that takes addresses in UTF-8 takes all (RFC 6531 3.1).
            return excerpt((found.octets,))
        return found

    def _letter(self, to: Addressed, make: Callable[[Letterhead], bytes]) -> Letter:
        queue_id, now = self.office.ids.next()
        head = Letterhead(
            host=self.manner.host,
            to=to.to,
            now=self.office.clock.wall(),
            queue_id=queue_id,
            token=self.office.token(),
        )
        content = make(head)
        found = self._recipients(to)
        submission = Submission(
            reverse_path=None,
            recipients=tuple(one.forward_path for one in found),
            terms=tuple(one.terms for one in found),
            submitter=Submitter(name=to.submitter, rules=to.rules),
            content=(content,),
            message_id=message_id(queue_id, head.host),
        )
        notice = Notice(
            submission=submission,
            queue_id=queue_id,
            arrived=now,
            give_up=now + self.manner.give_up_after,
        )
        return Letter(notice=notice, events=(_accepted(notice, len(content)),))

    def _recipients(self, to: Addressed) -> Sequence[Recipient]:
        if not to.rules:
            try:
                return self.manner.names(to.to)
            except MailError:  # the aliases are wrong, or not to be read
                pass
        return (Recipient(forward_path=to.to),)


def _accepted(notice: Notice, size: int) -> MessageAccepted:
    what = notice.submission
    return MessageAccepted(
        queue_id=notice.queue_id,
        sender="",
        size=size,
        recipients=len(what.recipients),
        submitter=what.submitter.name,
        submitter_rules=what.submitter.rules or None,
        message_id=what.message_id,
    )
