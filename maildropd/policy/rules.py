# SPDX-License-Identifier: Apache-2.0
"""Who a submitter is to us, and what he may: the first section that fits.

The kernel's uid decides; a unit is a label, and an address of a client is
what a gateway said.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network

from maildropd.config.model import (
    Otherwise,
    QueueConfig,
    SubmissionConfig,
    SubmitterConfig,
)
from maildropd.host.accounts import Account, Accounts
from maildropd.mail.envelope import Submitter

NOBODY = Account(login="nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What holds for one submitter."""

    account: Account
    section: SubmitterConfig | None
    any_sender: bool  # he may use every name
    otherwise: Otherwise

    @property
    def name(self) -> str:
        """Return the section's name; empty if none fits."""
        return self.section.name if self.section else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a submitter may do at a time."""

    size: int
    recipients: int
    connections: int


class Rules:
    """The sections of one configuration."""

    def __init__(
        self,
        submission: SubmissionConfig,
        sections: Sequence[SubmitterConfig],
        accounts: Accounts,
        own_uid: int,
    ) -> None:
        """Take the sections in their order; ``own_uid`` is the daemon's."""
        self._submission = submission
        self._sections = sections
        self._accounts = accounts
        self._own_uid = own_uid
        self._no_section = SubmitterConfig(name="")

    def of(self, submitter: Submitter) -> Rule:
        """Return what holds for a submitter."""
        uid = submitter.uid
        account = NOBODY if uid is None else self._accounts.of(uid)
        section = self._section(submitter, account)
        otherwise = section.otherwise if section else None
        return Rule(
            account=account,
            section=section,
            any_sender=self._may_use_any(submitter, account, section),
            otherwise=otherwise or self._submission.otherwise,
        )

    def limits(self, rule: Rule, queue: QueueConfig) -> Limits:
        """Return the limits by a rule: its section's, below those for all."""
        section = rule.section or self._no_section
        return Limits(
            size=_lower(section.message_size_limit, queue.message_size_limit),
            recipients=_lower(section.recipient_limit, queue.recipient_limit),
            connections=section.connections or self._submission.connections_per_user,
        )

    def may_speak_for_others(self, submitter: Submitter) -> bool:
        """Tell whether he may say who his clients are (XCLIENT)."""
        if submitter.uid is None:
            return False
        if submitter.uid in (0, self._own_uid):
            return True
        return self._accounts.of(submitter.uid).login in self._submission.gateways

    def _may_use_any(
        self, submitter: Submitter, account: Account, section: SubmitterConfig | None
    ) -> bool:
        """A uid that was only surmised proves nothing about root."""
        if not self._submission.check_senders:
            return True
        if section and "*" in section.senders:
            return True
        if submitter.uid is None or submitter.surmised:
            return False
        is_own = submitter.uid in (0, self._own_uid)
        return is_own or account.login in self._submission.trusted

    def _section(
        self, submitter: Submitter, account: Account
    ) -> SubmitterConfig | None:
        for section in self._sections:
            if _fits(section, submitter, account):
                return section
        return None


def _fits(section: SubmitterConfig, submitter: Submitter, account: Account) -> bool:
    """Tell whether every condition that is set is met."""
    return (
        (not section.uid or str(submitter.uid) in section.uid)
        and (not section.user or account.login in section.user)
        and (not section.group or not account.groups.isdisjoint(section.group))
        and (not section.unit or _matches(submitter.unit, section.unit))
        and (not section.network or _is_within(submitter.client, section.network))
        and (not section.spool or _is_from(submitter, section.spool))
    )


def _matches(word: str | None, patterns: Sequence[str]) -> bool:
    return word is not None and any(fnmatchcase(word, each) for each in patterns)


def _is_within(client: str | None, networks: Sequence[str]) -> bool:
    if client is None:
        return False
    try:
        address = ip_address(client)
    except ValueError:
        return False
    return any(address in ip_network(each) for each in networks)


def _is_from(submitter: Submitter, spools: Sequence[str]) -> bool:
    return submitter.name in [f"spool={each}" for each in spools]


def _lower(own: int, general: int) -> int:
    return min(own, general) if own else general
