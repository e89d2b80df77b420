# SPDX-License-Identifier: Apache-2.0
"""The daemon's own desk: what SMTP brings goes through policies into the store."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from maildropd.edge.entry import Entry, Gate
from maildropd.edge.parcel import Allowance, Holding, Parcel, header_of
from maildropd.edge.smtp.desk import Client
from maildropd.edge.smtp.grammar import Named, Offer
from maildropd.host import tcp_owner
from maildropd.mail.draft import Draft, Recipient
from maildropd.mail.envelope import DEFAULT_TERMS, Submitter, Terms
from maildropd.mail.errors import MailError, NotNow
from maildropd.mail.event import Journal
from maildropd.mail.reply import Reply
from maildropd.mail.submission_events import SubmissionRefused

_TOLD = 20  # refusals of one session, in the log
_TOO_MANY = Reply(421, "4.7.0", "too many connections of yours, try again later")


class Crowd(Protocol):
    """Who is there, by user; edge/listener.py."""

    def hand_over(self, whose: int | None, to: int | None, most: int) -> bool:
        """Count a gateway's connection as its client's, unless he has so many."""
        ...

    def take_back(self, whose: int | None, by: int | None) -> None:
        """Count it as the gateway's again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the desks of all sessions share."""

    entry: Callable[[], Entry]  # that of the present configuration
    allowance: Allowance
    journal: Journal
    crowd: Crowd


class LocalDesk:
    """The desk of one session; see the Protocol in desk.py."""

    def __init__(self, office: Office, submitter: Submitter) -> None:
        """Serve a submitter, as the kernel knows him."""
        self._office = office
        self._submitter = office.entry().gate.known(submitter)
        self._offer = Offer(reverse_path=None)
        self._recipients: list[Recipient] = []
        self._held = Holding(office.allowance)
        self._told = 0
        self._give_back: Callable[[], None] = lambda: None

    @property
    def size_limit(self) -> int:
        """That of the submitter."""
        return self._gate.size_limit(self._submitter)

    @property
    def recipient_limit(self) -> int:
        """That of the submitter."""
        return self._gate.recipient_limit(self._submitter)

    @property
    def may_introduce(self) -> bool:
        """Gateways may, before they have done so."""
        is_direct = self._submitter.client is None
        return is_direct and self._gate.may_speak_for_others(self._submitter)

    def introduce(self, client: Client) -> None:
        """Serve a gateway's client; who that is, the kernel's table of ports knows.

        What is looked up is marked: the gateway's own uid is certain, but says
        nothing about the mail.
        """
        uid, gateway = None, self._submitter.uid
        if tcp_owner.is_loopback(client.address):
            ends = (client.address, client.port)
            uid = tcp_owner.owner(ends, (client.server_address, client.server_port))
        self._submitter = self._gate.known(
            Submitter(
                name=self._submitter.name,
                uid=uid,
                client=client.address,
                surmised=uid is not None,
            )
        )
        most = self._gate.connection_limit(self._submitter)
        if not self._office.crowd.hand_over(gateway, uid, most):
            raise NotNow(_TOO_MANY.text, _TOO_MANY)
        self._give_back = partial(self._office.crowd.take_back, uid, gateway)

    async def offer(self, offer: Offer) -> None:
        """Ask whether mail from there would be refused."""
        if self._is_ourselves():
            words = "our own mail comes back: the relay is this host's maildropd-smtp"
            raise NotNow(words, Reply(451, "4.4.6", words))
        if offer.hold and not self._may_hold():
            words = "XHOLD is for root and the daemon's own user"
            raise MailError(words, Reply(550, "5.7.1", words))
        self._gate.check_sender(offer.reverse_path, self._submitter)
        self._offer = offer

    async def name(self, named: Named) -> None:
        """Ask whether mail to there would be refused."""
        self._gate.check_recipient(named.forward_path, self._submitter)
        self._held.take(named.weight)
        terms = DEFAULT_TERMS
        if named.notify or named.orcpt:
            terms = Terms(notify=named.notify, orcpt=named.orcpt)
        recipient = Recipient(forward_path=named.forward_path, terms=terms)
        self._recipients.append(recipient)

    def parcel(self) -> Parcel:
        """Return a new one."""
        return Parcel(self._office.allowance, self.size_limit)

    async def take(self, parcel: Parcel) -> Reply:
        """Pass it through the policies, and wait until it is on disk."""
        stored = await self._office.entry().store(
            lambda: self._draft(parcel),
            self._submitter,
            self._offer.key,
            small=parcel.is_small,
        )
        return Reply(250, "2.0.0", f"ok, queued as {stored.queue_id}")

    async def reset(self) -> None:
        """Forget the message."""
        self._recipients = []
        self._held.let_go()
        self._held = Holding(self._office.allowance)

    async def close(self) -> None:
        """Let go of what is held."""
        await self.reset()
        self._give_back()
        self._give_back = lambda: None

    def refused(self, what: str, reply: Reply) -> None:
        """Log it, with who it was; one that goes on and on is known by then."""
        self._told += 1
        if self._told > _TOLD:
            return
        who = self._submitter
        self._office.journal.emit(
            SubmissionRefused(
                submitter=who.name,
                submitter_uid=who.uid,
                submitter_unit=who.unit,
                submitter_client=who.client,
                sender=self._offer.reverse_path or "",
                reason=what,
                reply=reply,
            )
        )

    def _draft(self, parcel: Parcel) -> Draft:
        head, end = header_of(parcel)
        return Draft(
            reverse_path=self._offer.reverse_path,
            recipients=tuple(self._recipients),
            header=head[:end],
            body=parcel.after(end),
            size=parcel.size,
            ret=self._offer.ret,
            envid=self._offer.envid,
            verp=self._offer.verp,
            hold=self._offer.hold,
        )

    def _may_hold(self) -> bool:
        """Who may operate may; a client of the network never is."""
        who = self._submitter
        return who.client is None and who.uid in (0, os.geteuid())

    def _is_ourselves(self) -> bool:
        """Tell whether the client is our own relay, which would never end."""
        own = os.geteuid()
        return self._submitter.surmised and own != 0 and self._submitter.uid == own

    @property
    def _gate(self) -> Gate:
        return self._office.entry().gate
