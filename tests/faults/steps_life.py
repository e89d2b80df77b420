# SPDX-License-Identifier: Apache-2.0
"""The whole life of one mail, from the program that drops it to the next hop."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from maildropd.host import durable
from maildropd.mail.errors import TransientError
from maildropd.store.base import Lease, Settlement
from tests.faults.steps_shim import Fault
from tests.faults.steps_spool import Daemon, know_again, look, note_keys
from tests.faults.steps_store import copied
from tests.faults.steps_trial import Reins, Say
from tests.unit.spool.stage import MAIL
from tests.unit.store.stage import WAIT

_SEEN = ("complete", "read", "claimed", "dot", "settled")
Found = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class LifeScene:
    """Dropped, taken, tried, and told; the next hop counts what it gets."""

    renames_cross: bool = False
    sampled: bool = True

    def learn(self, before: Found, after: Found) -> None:
        assert (before["sent"], after["sent"]) == (0, 0)

    def live(self, folder: Path, reins: Reins, say: Say) -> None:
        (folder / "drop").mkdir()
        daemon = Daemon(folder, say)
        relay = Relay(daemon, say, reins.mark)
        note_keys(folder)
        reins.begin()
        self._live(folder, relay, reins, say)
        reins.end()
        self._live(folder, relay, reins, say)
        daemon.close()

    def _live(self, folder: Path, relay: "Relay", reins: Reins, say: Say) -> None:
        """Everybody does what is left to do, as far as the disk lets them."""
        if not relay.complete:
            try:
                _drop(folder / "drop")
            except OSError:
                return
            relay.complete = True
            with reins.apart():
                note_keys(folder)
            say("complete")
        relay.daemon.turn()
        relay.daemon.pickup._leave()
        with suppress(TransientError):
            relay.deliver()

    def judge(self, folder: Path, *, again: bool) -> Found:
        know_again(folder)
        facts = {**look(folder), "leased": _leased(folder)}
        sent = _go_on(folder)
        if again:
            assert _go_on(folder) == 0, "it was sent once more by another start"
        return {"facts": facts, "sent": sent}

    def verdict(self, said: list[str], found: Found, fault: Fault) -> str | None:
        """Sent once; twice only where the record of the first was cut off."""
        times = said.count("dot") + found["sent"]
        unrecorded = said.count("dot") > said.count("settled")
        if "complete" in said and times == 0:
            return "the mail is lost"
        if times > 1 + unrecorded:
            return f"sent {times} times"
        if "settled" in said and found["sent"]:
            return "it was recorded as delivered, and sent once more"
        return None

    def place(self, said: list[str], found: Found, done: list[str]) -> str:
        last = max((_SEEN.index(word) for word in said if word in _SEEN), default=-1)
        facts = found["facts"]
        stored = bool(facts["stored"])
        after = {
            "claimed": "after the claim, before the attempt",
            "dot": "after the final dot, before the outcome is committed",
            "settled": "after the outcome is committed",
        }
        if last >= _SEEN.index("claimed"):
            if "mark attempt" in done and _SEEN[last] == "claimed":
                return "during the attempt, before the final dot"
            if _SEEN[last] == "dot" and not stored:
                return after["settled"]
            return after[_SEEN[last]]
        if stored:
            gone = "unlink mail" in done
            taken = "after the file is removed"
            return taken if gone else "after the commit, before the file is removed"
        return {0: "after the file is complete", 1: "while the daemon reads it"}.get(
            last, "while the program writes"
        )


def _mute(_: str) -> None:
    """Nobody listens."""


def _drop(drop: Path) -> None:
    """Do what a careful program does."""
    begun, mail = drop / ".mail", drop / "mail"
    descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, MAIL)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(begun, mail)
    durable.sync_directory(drop)


class Relay:
    """Carries what is due to a next hop that takes everything."""

    def __init__(
        self, daemon: Daemon, say: Say, mark: Callable[[str], None] = _mute
    ) -> None:
        self.daemon = daemon
        self.complete = False
        self._say = say
        self._mark = mark
        self._unrecorded: list[Lease] = []
        self.sent = 0

    def deliver(self) -> None:
        """Try what is due, and insist on its record."""
        self._record()
        self.daemon.around.clock.forward(timedelta(hours=2))
        now = self.daemon.around.clock.now()
        until = now + timedelta(hours=1)
        for lease in self.daemon.store.claim(100, now, until).result(WAIT):
            self._say("claimed")
            self._mark("attempt")
            content = b"".join(self.daemon.store.content(lease.envelope.queue_id))
            assert content == MAIL.split(b"\n", 2)[-1]
            self._mark("final dot")
            self._say("dot")
            self.sent += 1
            self._unrecorded.append(lease)
            self._mark("reply")
            self._record()

    def _record(self) -> None:
        while self._unrecorded:
            lease = self._unrecorded[0]
            delivered = [
                Settlement(queue_id=lease.envelope.queue_id, recipient=one, state=None)
                for one in lease.recipients
            ]
            assert not self.daemon.store.settle(delivered).result(WAIT).lost
            self._unrecorded.pop(0)
            self._say("settled")
            self._mark("told")


def _go_on(folder: Path) -> int:
    daemon = Daemon(folder, _mute)
    daemon.store.take_over(daemon.around.clock.now()).result(WAIT)
    daemon.turn()
    relay = Relay(daemon, _mute)
    relay.deliver()
    daemon.close()
    return relay.sent


def _leased(folder: Path) -> bool:
    with copied(folder / "state") as database:
        query = "SELECT count(*) FROM recipient WHERE owner IS NOT NULL"
        return bool(database.execute(query).fetchone()[0])


def life() -> Mapping[str, Mapping[str, LifeScene]]:
    """Return the one scene there is."""
    return {"life": {"of one mail": LifeScene()}}
