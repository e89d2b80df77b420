# SPDX-License-Identifier: Apache-2.0
"""What every mail passes before it is stored: names, senders, header, quota.

The order is what people would expect: names are completed first, so that a
rule never meets a bare one; what is redirected has been checked as it was; a
quota is taken last, from what nothing else refuses.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from maildropd.config.model import NamesConfig, Otherwise, QueueConfig
from maildropd.host.clock import Clock
from maildropd.mail.draft import Draft, Recipient
from maildropd.mail.envelope import Submitter
from maildropd.mail.message import line_ends_made_plain, message_id
from maildropd.policy import authors, header, senders
from maildropd.policy.names import Names
from maildropd.policy.quota import Quotas
from maildropd.policy.rules import Limits, Rule, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What the administrator said that policies go by."""

    names: NamesConfig
    queue: QueueConfig
    hostname: str
    quotas: Quotas


class Gate:
    """The policies of one configuration; callable from any thread."""

    def __init__(self, book: Book, names: Names, rules: Rules, clock: Clock) -> None:
        """Take what the policies know; quotas outlive a configuration."""
        self._book = book
        self._clock = clock
        self._names = names
        self._rules = rules

    def known(self, submitter: Submitter) -> Submitter:
        """Return the submitter with the name of the section that applies."""
        name = self._rules.of(submitter).name
        return submitter if name == submitter.rules else replace(submitter, rules=name)

    def may_speak_for_others(self, submitter: Submitter) -> bool:
        """Tell whether he may say who his clients are."""
        return self._rules.may_speak_for_others(submitter)

    def own_address(self, submitter: Submitter) -> str:
        """Return the address of a submitter who names none."""
        return senders.own_address(self._rules.of(submitter), self._names)

    def full_name(self, submitter: Submitter) -> str:
        """Return what the accounts of the host call him; it may be empty."""
        return self._rules.of(submitter).account.full_name

    def size_limit(self, submitter: Submitter) -> int:
        """Return how many octets a message of his may have."""
        return self._limits(submitter).size

    def recipient_limit(self, submitter: Submitter) -> int:
        """Return how many recipients a message of his may have."""
        return self._limits(submitter).recipients

    def connection_limit(self, submitter: Submitter) -> int:
        """Return how many connections he may have."""
        return self._limits(submitter).connections

    def _limits(self, submitter: Submitter) -> Limits:
        return self._rules.limits(self._rules.of(submitter), self._book.queue)

    def check_sender(self, reverse_path: str | None, submitter: Submitter) -> None:
        """Raise ``SenderRefused`` if mail from there would be refused."""
        rule = self._rules.of(submitter)
        if reverse_path is not None and rule.otherwise is Otherwise.REFUSE:
            senders.check(self._names.qualify(reverse_path), rule, self._names)

    def check_recipient(self, forward_path: str, submitter: Submitter) -> None:
        """Raise ``MailError`` if mail to there would be refused."""
        self.resolved(forward_path, submitter)

    def resolved(self, address: str, submitter: Submitter) -> Sequence[str]:
        """Return where mail for an address goes; raise ``MailError``."""
        one = Recipient(forward_path=address)
        found = self._names.expand((one,), self.recipient_limit(submitter))
        return [each.terms.run or each.forward_path for each in found]

    def admit(self, draft: Draft, submitter: Submitter) -> Draft:
        """Return what is to be stored; raise ``MailError``."""
        rule = self._rules.of(submitter)
        draft = self._with_sender(draft, rule)
        draft = self._with_header(draft, submitter, rule)
        draft = self._with_recipients(draft, rule)
        if rule.section is not None:
            self._book.quotas.take(rule.section, submitter.uid, draft.size)
        return draft

    def undo(self, draft: Draft, submitter: Submitter) -> None:
        """Give back what was taken of a quota: it was not stored after all."""
        section = self._rules.of(submitter).section
        if section is not None:
            self._book.quotas.give_back(section, submitter.uid, draft.size)

    def _with_sender(self, draft: Draft, rule: Rule) -> Draft:
        """Qualify the reverse-path; replace or refuse what he may not use."""
        if draft.reverse_path is None:
            return draft
        path = self._names.qualify(draft.reverse_path)
        if not senders.may_use(path, rule, self._names):
            if rule.otherwise is Otherwise.REFUSE:
                senders.check(path, rule, self._names)
            path = senders.own_address(rule, self._names)
        path = authors.masqueraded(path, self._book.names.rewrite_from, self._names)
        if path == draft.reverse_path:
            return draft
        return replace(draft, reverse_path=path)

    def _with_header(self, draft: Draft, submitter: Submitter, rule: Rule) -> Draft:
        octets = draft.header
        if not rule.any_sender:
            octets = line_ends_made_plain(octets)
        octets = header.qualify(octets, self._names)
        octets = self._with_author(octets, rule)
        if not draft.as_is:
            octets = header.complete(
                octets, self._facts(draft, octets, submitter, rule)
            )
        if not (draft.as_is and rule.any_sender):
            octets = header.closed(octets)
        if self._book.names.rewrite_from:
            rewrite = self._book.names.rewrite_from
            octets = authors.masked(octets, rewrite, self._names)
        return draft if octets == draft.header else replace(draft, header=octets)

    def _with_author(self, octets: bytes, rule: Rule) -> bytes:
        """Replace or refuse an author whom the submitter may not be."""
        if rule.any_sender or not (others := self._others(octets, rule)):
            return octets
        own = senders.own_address(rule, self._names)
        if rule.otherwise is Otherwise.REWRITE:
            octets = authors.with_author(octets, own)
            others = self._others(octets, rule)
        for author in others:
            senders.check(author, rule, self._names)
        return octets

    def _others(self, octets: bytes, rule: Rule) -> list[str]:
        return [
            author
            for author in authors.authors(octets)
            if not senders.may_use(author, rule, self._names)
        ]

    def _facts(
        self, draft: Draft, octets: bytes, submitter: Submitter, rule: Rule
    ) -> header.Facts:
        return header.Facts(
            author=draft.reverse_path or senders.own_address(rule, self._names),
            full_name=draft.full_name or rule.account.full_name,
            hostname=self._book.hostname,
            submitter=submitter,
            now=self._clock.wall().astimezone(),
            # Chance is a system call, and other threads go first.
            token="" if message_id(octets) else secrets.token_hex(10),
        )

    def _with_recipients(self, draft: Draft, rule: Rule) -> Draft:
        limit = self._rules.limits(rule, self._book.queue).recipients
        expanded = self._names.expand(draft.recipients, limit)
        section = rule.section
        if section is None or not section.redirect_to:
            if expanded == draft.recipients:
                return draft
            return replace(draft, recipients=expanded)
        named = tuple(each.forward_path for each in expanded)
        # What has no header of its own would become part of this one.
        octets = header.closed(draft.header)
        return replace(
            draft,
            recipients=(Recipient(forward_path=section.redirect_to),),
            header=header.with_field(octets, "X-Original-To", named),
        )
