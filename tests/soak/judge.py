# SPDX-License-Identifier: Apache-2.0
"""Compares what was left, what was taken, and what remains: pure, no input.

submitted = delivered + reported + held + removed by an operator, recipient by
recipient; quarantined = what was no mail; a second copy only where the daemon
said that it is in doubt, or where a kill lies between the two.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from tests.soak.accounts import Account, accounts_of, told_in_vain
from tests.soak.books import Books, Taken
from tests.soak.remains import Remains
from tests.soak.silence import silence

_NEVER = float("inf")
_AT_MOST = 20  # violations of one kind that are told


def judge(books: Books, remains: Remains) -> list[str]:
    """Return all that is wrong."""
    accounts = accounts_of(books, remains)
    rules = (
        iter(books.troubles),
        _contents(books),
        _strangers(books, accounts),
        _losses(books, accounts, remains),
        _reports(books),
        _doubles(books, accounts),
        _twice(books),
        _refusals(books, remains),
        silence(books, accounts),
        _rubbish(books, remains),
        _leftovers(remains),
        _lying(books, remains),
    )
    found: list[str] = []
    for rule in rules:
        violations = list(rule)
        found += violations[:_AT_MOST]
        if len(violations) > _AT_MOST:
            found.append(f"... and {len(violations) - _AT_MOST} more of this kind")
    return found


def summary(books: Books, remains: Remains) -> str:
    """Return the ledger in a few lines."""
    states = Counter(each.state for each in remains.queued)
    wanted = sum(len(each.recipients) for each in books.posted.values())
    copies = Counter(path for taken in books.taken for path in taken.recipients)
    swallowed = len(_lost(books, accounts_of(books, remains), remains)[1])
    lines = (
        f"submitted    {wanted} recipients of {len(books.posted)} messages",
        f"written over {len(books.overwritten)} messages, {swallowed} of the new lost",
        f"delivered    {len(copies)}, {copies.total() - len(copies)} copies more",
        f"reported     {sum(len(each.recipients) for each in books.reports)}",
        f"in doubt     {books.heard.in_doubt.total()} times",
        f"in the queue {dict(states)}",
        f"removed      {len(books.removed)} messages by an operator",
        f"quarantined  {books.heard.quarantined} of {len(books.spoilt)} files",
        f"kills        {len(books.deaths)}",
        f"events       {dict(sorted(books.heard.kinds.items()))}",
    )
    return "\n".join(lines)


def _contents(books: Books) -> Iterator[str]:
    """What goes out is what came in, from its sender."""
    for taken in books.taken:
        posted = books.posted.get(taken.key)
        if posted is None:
            yield f"{taken.key or 'a message'} of {taken.sender}: nobody posted it"
        elif taken.digest != posted.digest:
            yield f"{taken.key}: its content has changed"
        elif taken.sender != posted.sender:
            yield f"{taken.key}: sent as {taken.sender}, not {posted.sender}"
        if taken.since > books.removed.get(taken.key, _NEVER):
            yield f"{taken.key}: sent after an operator had removed it"


def _strangers(books: Books, accounts: Mapping[str, Account]) -> Iterator[str]:
    """Nobody outside the envelope gets a copy, or waits for one."""
    for recipient, account in accounts.items():
        keys = {taken.key for taken in account.copies}
        keys |= {queued.key for queued in account.queued}
        for key in keys:
            posted = books.posted.get(key)
            if posted is None or recipient not in posted.recipients:
                yield f"{recipient} is no recipient of {key}"
    for key, uid in books.heard.owners.items():
        if key in books.posted and books.posted[key].uid != uid:
            yield f"{key}: left by {books.posted[key].uid}, said to be by {uid}"


def _reports(books: Books) -> Iterator[str]:
    """Each sender hears, once, of his own recipients that a server refused."""
    told: dict[str, str] = {}
    for report in books.reports:
        posted = books.posted.get(report.key)
        if posted is None or report.to != (posted.sender,):
            yield f"{report.key}: its report went to {report.to}"
            continue
        for recipient in report.recipients:
            if recipient not in posted.recipients or recipient not in books.refused:
                yield f"{recipient}: reported, and no server has refused it"
            if told.setdefault(recipient, report.name) != report.name:
                yield f"{recipient}: reported twice"


def _losses(
    books: Books, accounts: Mapping[str, Account], remains: Remains
) -> Iterator[str]:
    """Each recipient is delivered, reported, in the queue, or was removed."""
    lost, swallowed = _lost(books, accounts, remains)
    yield from lost
    if len(swallowed) > max(_SWALLOWED, len(books.overwritten) // 100):
        yield from swallowed


def _lost(
    books: Books, accounts: Mapping[str, Account], remains: Remains
) -> tuple[list[str], list[str]]:
    """Return what is lost: without excuse, and by a moment that QUEUE.md names."""
    gone = books.removed.keys() | books.perhaps_removed
    lost, swallowed = list[str](), list[str]()
    reported = {each for report in books.reports for each in report.recipients}
    unheard = told_in_vain(remains)
    for key, posted in books.posted.items():
        told = reported | (books.refused if posted.sender in unheard else set())
        unseen = [each for each in posted.recipients if each not in told]
        seen = [accounts[each] for each in unseen if each in accounts]
        missing = len(unseen) - sum(
            bool(account.copies or account.queued) for account in seen
        )
        times = books.heard.accepted[key]
        if not missing or key in gone or (key in books.overwritten and not times):
            continue
        excused = not times and _wrote_over_a_taken_one(books, key)
        what = f"{key} ({posted.spool}): LOST for {missing} recipients"
        (swallowed if excused else lost).append(f"{what}, accepted {times} times")
    return lost, swallowed


# What docs/QUEUE.md cannot keep: a mail that is written over another between the
# look at that and its removal.  Threads that wait for each other make it longer.
_SWALLOWED = 4


def _wrote_over_a_taken_one(books: Books, key: str) -> bool:
    return any(
        books.heard.accepted[old]
        for old, fresh in books.overwritten.items()
        if fresh == key
    )


def _doubles(books: Books, accounts: Mapping[str, Account]) -> Iterator[str]:
    """A second copy has a reason; and each kill has no more than it may have."""
    doubled: dict[int, set[str]] = defaultdict(set)  # by death: keys
    for recipient, account in accounts.items():
        pairs = list(_pairs(account))
        deaths = [_between(books, first, again) for first, again in pairs]
        # A doubt is needed where no kill was, and may else stand for a kill.
        doubts = books.heard.in_doubt[recipient] - deaths.count(None)
        if doubts < 0:
            copies, queued = len(account.copies), len(account.queued)
            yield (
                f"{recipient}: {-doubts} times too often, {copies} copies, {queued} "
                f"queued, {books.heard.in_doubt[recipient]} times in doubt"
            )
        for death in [each for each in deaths if each is not None][max(doubts, 0) :]:
            doubled[death].add(account.copies[0].key)
    for number, keys in doubled.items():
        most = books.deaths[number].in_flight
        if len(keys) > most:
            yield f"kill {number} doubled {len(keys)} messages, and may {most}"


def _twice(books: Books) -> Iterator[str]:
    """What was submitted once is stored once."""
    for key, times in books.heard.accepted.items():
        if times > 1:
            yield f"{key}: stored {times} times"


def _pairs(account: Account) -> Iterator[tuple[Taken, float]]:
    """Yield each copy but the last, and when the next one came."""
    copies = sorted(account.copies, key=lambda taken: taken.at)
    times = [taken.at for taken in copies[1:]] + [_NEVER] * bool(account.queued)
    yield from zip(copies, times, strict=False)


def _between(books: Books, first: Taken, again: float) -> int | None:
    """Return the first kill after which the outcome of a copy may be unknown."""
    for number, death in enumerate(books.deaths):
        between = first.since < death.at < again
        # What the dead one had sent may still arrive.
        if between and first.at < death.at + 10 and not _told(books, first, death.at):
            return number
    return None


def _told(books: Books, taken: Taken, before: float) -> bool:
    """Tell whether the daemon had said by then that this is on its disk."""
    times = [books.heard.delivered_at.get(each, _NEVER) for each in taken.recipients]
    return max(times) < before


def _refusals(books: Books, remains: Remains) -> Iterator[str]:
    """Only a server fails a recipient."""
    for each in remains.queued:
        if each.state == "failed" and each.recipient not in books.refused:
            yield f"{each.recipient}: failed, and no server has refused it"
        if each.state in ("ready", "deferred"):
            yield f"{each.recipient}: still {each.state}"
        if each.leased:
            yield f"{each.recipient}: still leased"


def _rubbish(books: Books, remains: Remains) -> Iterator[str]:
    """The quarantine has exactly what is no mail, each with its reason."""
    names = [name for name in remains.quarantine if not name.endswith(_BESIDE)]
    there = Counter(name.partition("bad")[2] for name in names)
    for name, kind in books.spoilt.items():
        times = there.pop(name.removeprefix("bad"), 0)
        if times != (kind != "directory"):
            yield f"{name} ({kind}): {times} times in the quarantine"
    for name in there:
        odd = name or [each for each in names if "bad" not in each]
        yield f"in the quarantine, and nobody knows why: {odd}"
    for name in names:
        if f"{name}.reason" not in remains.quarantine:
            yield f"in the quarantine without a reason: {name}"
    spare = [name for name in remains.quarantine if name.endswith((".reason", ".tmp"))]
    if len(spare) - len(names) > len(books.deaths):
        yield f"{len(spare)} reasons for {len(names)} files"


_BESIDE = (".reason", ".lck", ".tmp")


_RESERVE = frozenset(("reserve", "reserve-log"))  # of the disk, kept for the next start


def _leftovers(remains: Remains) -> Iterator[str]:
    """What stays behind is what has to."""
    if remains.integrity != "ok":
        yield f"queue.db: {remains.integrity}"
    if remains.tally_off:
        yield f"queue.db: the tally says {remains.tally_off}"
    if remains.state - _RESERVE != {"queue.db", "content"}:
        yield f"in the state directory: {sorted(remains.state)}"
    if remains.contents != remains.named_contents:
        odd = sorted(remains.contents ^ remains.named_contents)
        yield f"content without message, or message without content: {odd[:5]}"
    if remains.locked:
        yield f"still locked: {remains.locked}"


def _lying(books: Books, remains: Remains) -> Iterator[str]:
    """In the drops, only directories are left."""
    directories = {name for name, kind in books.spoilt.items() if kind == "directory"}
    if books.heard.untidy:
        yield f"{books.heard.untidy} orphans behind a stop in peace"
    for name in sorted(remains.drops - directories):
        if not name.endswith(".lck"):
            yield f"still in a drop: {name!r}"
    for name in sorted(directories - remains.drops):
        yield f"a directory in a drop is gone: {name}"
