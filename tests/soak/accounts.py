# SPDX-License-Identifier: Apache-2.0
"""What became of each recipient, from the servers' books and from the disk."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.soak.books import Books, Taken
from tests.soak.remains import Queued, Remains


@dataclass(slots=True, kw_only=True)
class Account:
    """One recipient: its copies, and whether it still waits."""

    copies: list[Taken] = field(default_factory=list)
    queued: list[Queued] = field(default_factory=list)


def letters_of(remains: Remains) -> list[Queued]:
    """Return what waits of letters: reports on them are no letters."""
    return [each for each in remains.queued if not each.key.endswith(_REPORT)]


def told_in_vain(remains: Remains) -> set[str]:
    """Return the senders whom a report could not reach; it stays to be seen."""
    queued = remains.queued
    return {each.recipient for each in queued if each.key.endswith(_REPORT)}


_REPORT = ".report"


def accounts_of(books: Books, remains: Remains) -> Mapping[str, Account]:
    """Return the account of each recipient of which anything was seen."""
    accounts: dict[str, Account] = defaultdict(Account)
    for taken in books.taken:
        for recipient in taken.recipients:
            accounts[recipient].copies.append(taken)
    for each in letters_of(remains):
        accounts[each.recipient].queued.append(each)
    return accounts
