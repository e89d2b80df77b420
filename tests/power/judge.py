# SPDX-License-Identifier: Apache-2.0
"""Compares what was promised with what is: the server's copies, queue, quarantine.

Asked while the daemon lives and nothing moves any more.  Of each message and
recipient exactly one thing must be true: delivered, reported to its sender,
held, or removed by the operator; and nothing that was recorded may have been
done again.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.power.ledger import Entry, Fate, Ledger, Said
from tests.power.letters import Wish, parsed

IN_FLIGHT = 6  # messages a connection may double when the power goes, QUEUE.md
Rows = Mapping[str, str]  # state by address


def rows(queue: Sequence[Mapping[str, Any]]) -> Rows:
    """Return the state of each recipient in the queue."""
    return {
        recipient["address"]: recipient["state"]
        for message in queue
        for recipient in message["recipients"]
    }


def judge(ledger: Ledger, queue: Rows, connections: int) -> None:
    """Note every broken promise; close the accounts on which nothing is open."""
    with ledger.lock:
        for address in queue:
            if parsed(address)[1] not in ledger.entries:
                ledger.wrong(f"{address}: in the queue, though that must not be")
        for key, entry in list(ledger.entries.items()):
            if wrongs := list(_wrongs(ledger, entry, queue)):
                ledger.wrong(f"{key}: {', '.join(wrongs)}: {entry}")
            if not any(address in queue for address in entry.fates):
                del ledger.entries[key]
        for life, doubled in ledger.doubles.items():
            if len(doubled) > IN_FLIGHT * connections:
                ledger.wrong(f"{len(doubled)} messages doubled by the cut of {life}")


def inspect(ledger: Ledger, drop: Path) -> None:
    """Look at the disks as the cut left them, before anybody repairs anything."""
    for one in ledger.bad.values():
        if not one.quarantined:
            continue
        place = Path(one.place)
        kept = place.exists() and place.read_bytes() == one.octets
        reason = place.with_name(f"{place.name}.reason")
        if not kept or not reason.exists() or not reason.read_bytes():
            ledger.wrong(f"{one.name}: quarantined, and not there with its reason")
        if (drop / one.name).exists():
            ledger.wrong(f"{one.name}: quarantined, and again in the drop")
    for one in ledger.drafts.values():
        if one.dropped and not (drop / one.name).exists():
            ledger.wrong(f"{one.name}: the file system lost it, or somebody else")


def missing_from_quarantine(ledger: Ledger, quarantine: Path) -> Iterator[str]:
    """Yield the bad files that are nowhere."""
    found = [
        path
        for path in _files(quarantine)
        if path.suffix != ".reason" and not path.name.startswith(".")
    ]
    contents = {path.read_bytes() for path in found}
    for one in ledger.bad.values():
        if one.dropped and one.octets not in contents:
            yield one.name


def _files(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.exists() else []


def _wrongs(ledger: Ledger, entry: Entry, queue: Rows) -> Iterator[str]:
    digest = entry.letter.digest()
    seen = any(
        fate.copies or fate.failed or fate.reports or address in queue
        for address, fate in entry.fates.items()
    )
    for address, fate in entry.fates.items():
        if any(copy.digest != digest for copy in fate.copies):
            yield f"{address}: changed"
        state = queue.get(address, "")
        yield from _again(ledger, entry, fate)
        if fate.reports and parsed(address)[0] != "no":
            yield f"{address}: reported, and nobody had refused it"
        if state:
            yield from _misplaced(entry, address, fate, state)
        elif not _is_gone_rightly(entry, fate) and (entry.is_promised or seen):
            yield f"{address}: lost"


def _is_gone_rightly(entry: Entry, fate: Fate) -> bool:
    return bool(fate.copies or fate.reports) or entry.asked is Wish.REMOVE


def _again(ledger: Ledger, entry: Entry, fate: Fate) -> Iterator[str]:
    """Yield what was done after it was recorded, or twice without a cut."""
    copies = sorted(fate.copies, key=lambda copy: copy.life)
    for first, second in pairwise(copies):
        if first.life == second.life:
            yield f"delivered twice in life {first.life}"
        else:
            ledger.doubles.setdefault(first.life, set()).add(entry.letter.key)
    if copies and _after(fate.delivered, copies[-1].life):
        yield "delivered again, though recorded as delivered"
    if len(fate.reports) > 1:
        yield "reported twice"
    if _after(fate.failed, fate.tried):
        yield "tried again, though recorded as failed"
    if _after(entry.held, fate.tried):
        yield "tried, though it was held"
    if _after(entry.removed, fate.tried):
        yield "tried, though it was removed"


def _after(said: Said | None, life: int) -> bool:
    return said is not None and life > said.life


def _misplaced(entry: Entry, address: str, fate: Fate, state: str) -> Iterator[str]:
    if entry.removed:
        yield f"{address}: in the queue, though it was removed"
    if fate.delivered:
        yield f"{address}: in the queue, though it is recorded as delivered"
    right = {
        "hold": entry.asked is Wish.HOLD,
        "failed": parsed(address)[0] == "no",
    }
    if not right.get(state, False):
        yield f"{address}: {state} for no reason"
    if entry.held and state != "hold":
        yield f"{address}: {state}, though it was held"
