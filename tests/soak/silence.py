# SPDX-License-Identifier: Apache-2.0
"""Whether the daemon said what it did: each acceptance, each delivery, once.

A line may be missing only where a kill came between the commit and the word,
or where the daemon itself says that it could not write it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from tests.soak.accounts import Account
from tests.soak.books import Books, Posted

_NEVER = float("inf")
_COMMIT = 15.0  # seconds from a copy to its record, at most: a full disk lasts 5
_LATE = 10.0  # what the dead one had sent may still arrive
_STALL = 5.0  # between what happens and our note of it, on a busy machine


def silence(books: Books, accounts: Mapping[str, Account]) -> Iterator[str]:
    """Yield what was said wrongly, and what was not said."""
    yield from _overstated(books, accounts)
    eaten, quiet = Counter[int](), list[str]()
    for key, at in _unsaid(books, accounts).items():
        death = _death(books, at - _LATE, at + _COMMIT)
        if death is None:
            quiet.append(key)
        else:
            eaten[death] += 1
    if len(quiet) > books.heard.lost:
        yield f"{len(quiet)} messages delivered without a word: {quiet[:5]}"
    for number, times in eaten.items():
        if times > books.deaths[number].in_flight:
            yield f"kill {number}: {times} messages delivered without a word"
    unheard = list(_unheard(books, accounts))
    if len(unheard) > books.heard.lost:
        yield f"{len(unheard)} messages accepted without a word: {unheard[:5]}"


def _overstated(books: Books, accounts: Mapping[str, Account]) -> Iterator[str]:
    senders = {posted.sender for posted in books.posted.values()}  # get reports
    for recipient, said in books.heard.delivered.items():
        if recipient in senders:
            continue
        copies = len(accounts[recipient].copies) if recipient in accounts else 0
        if said > 1 or said > copies:
            yield f"{recipient}: said to be delivered {said} times, and was {copies}"


def _unsaid(books: Books, accounts: Mapping[str, Account]) -> Mapping[str, float]:
    """Return the messages whose delivery was not told, and when it was."""
    gone = books.removed.keys() | books.perhaps_removed
    # The server had it, said nothing, and refused it when it came again.
    told = books.heard.failed & books.heard.in_doubt.keys()
    found: dict[str, float] = {}
    for recipient, account in accounts.items():
        if account.copies and not account.queued and recipient not in told:
            last = max(account.copies, key=lambda taken: taken.at)
            if not books.heard.delivered[recipient] and last.key not in gone:
                found[last.key] = last.at
    return found


def _unheard(books: Books, accounts: Mapping[str, Account]) -> Iterator[str]:
    """Yield the messages that came, and whose acceptance was not told."""
    for posted in books.posted.values():
        if books.heard.accepted[posted.key]:
            continue
        first = _came(posted, accounts)
        if first is not None:
            since = posted.at - _STALL
            if _death(books, since, first + _STALL) is None:
                yield posted.key


def _came(posted: Posted, accounts: Mapping[str, Account]) -> float | None:
    """Return when its first copy came; None if nothing was ever seen of it."""
    seen = [accounts[each] for each in posted.recipients if each in accounts]
    # One that was reported alone is not known by a copy, and need not be.
    if not seen:
        return None
    times = [taken.at for account in seen for taken in account.copies]
    return min(times, default=_NEVER)


def _death(books: Books, since: float, until: float) -> int | None:
    """Return the first kill in a stretch of time."""
    for number, death in enumerate(books.deaths):
        if since < death.at < until:
            return number
    return None
