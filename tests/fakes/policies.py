# SPDX-License-Identifier: Apache-2.0
"""A gate as the daemon has it, with accounts that a test makes up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from maildropd.config.model import (
    NamesConfig,
    QueueConfig,
    SubmissionConfig,
    SubmitterConfig,
)
from maildropd.host.accounts import Account, Accounts
from maildropd.mail.draft import Draft, Recipient
from maildropd.mail.envelope import Submitter
from maildropd.mail.message import fields
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.aliases import Aliases
from maildropd.policy.forward_map import ForwardMap
from maildropd.policy.gate import Book, Gate
from maildropd.policy.names import Names
from maildropd.policy.quota import Quotas
from maildropd.policy.rules import Rules
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal

HOST = "host.example"
DAEMON, GATEWAY, ALICE, BOB = 900, 901, 1000, 1001
SSSD, DOMAIN = 5000, 5001
_PEOPLE = {
    SSSD: Account(login="dora@corp.example"),
    DOMAIN: Account(login="CORP\\dora d"),
    0: Account(login="root", full_name="root"),
    DAEMON: Account(login="_maildrop"),
    GATEWAY: Account(login="_maildrop-smtp"),
    ALICE: Account(
        login="alice", full_name="Alice Ample", groups=frozenset(("alice", "staff"))
    ),
    BOB: Account(login="bob", full_name="Bob Blank", groups=frozenset(("bob",))),
}


class FakeAccounts(Accounts):
    """Knows the people above and nobody else."""

    def __init__(self) -> None:
        super().__init__(FakeClock())

    def of(self, uid: int) -> Account:
        return _PEOPLE.get(uid) or Account(login=f"uid{uid}")


class Policies:
    """All policies of one configuration, in one folder."""

    def __init__(self, folder: Path, *sections: SubmitterConfig, **said: Any) -> None:
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.aliases = folder / "aliases"
        self.names_config = replace(NamesConfig(aliases=self.aliases), **said)
        submission = SubmissionConfig(socket=folder, sendmail_socket=folder)
        self.submission = submission
        self.queue = QueueConfig()
        self.sections = sections
        self.quotas = Quotas(self.clock)
        self.names = Names(
            self.names_config,
            HOST,
            Aliases(self.aliases, self.journal),
            ForwardMap(self.names_config.forward_map, self.journal),
        )

    def gate(self, **submission: Any) -> Gate:
        """Build the gate; keywords are keys of [submission]."""
        rules = Rules(
            replace(self.submission, **submission),
            self.sections,
            FakeAccounts(),
            DAEMON,
        )
        book = Book(
            names=self.names_config,
            queue=self.queue,
            hostname=HOST,
            quotas=self.quotas,
        )
        return Gate(book, self.names, rules, self.clock)


def by(uid: int | None, **more: Any) -> Submitter:
    """Return a submitter."""
    return Submitter(name="sendmail", uid=uid, **more)


def draft(
    header: bytes = b"",
    reverse_path: str | None = "alice",
    to: tuple[str, ...] = ("x@far.example",),
    **more: Any,
) -> Draft:
    """Return a draft, of text with LF."""
    recipients = tuple(Recipient(forward_path=path) for path in to)
    return Draft(
        reverse_path=reverse_path, recipients=recipients, header=header, **more
    )


def values(one: Draft, name: str) -> list[bytes]:
    """Return what the fields of a name say."""
    return [
        one.header[each.value : each.end].strip()
        for each in fields(one.header, 0, len(one.header))
        if each.name == name
    ]


def goes_to(names: Names, *addresses: str) -> list[str]:
    """Return where mail for these goes, or what it runs."""
    recipients = [Recipient(forward_path=address) for address in addresses]
    return [one.terms.run or one.forward_path for one in names.expand(recipients, 100)]


def say(policies: Policies, text: str) -> None:
    """Write the aliases, so that it shows."""
    new = policies.aliases.with_name("new")
    new.write_text(text)
    new.rename(policies.aliases)


def told(journal: FakeJournal) -> list[str]:
    """Return what is wrong with the aliases, in words."""
    return [e.text() for e in journal.events if isinstance(e, AliasesWrong)]
