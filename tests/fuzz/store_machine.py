# SPDX-License-Identifier: Apache-2.0
"""Anything may happen to a store, in any order; a model says what it must be then.

A crash is a copy of what is on disk while the store is open, opened by the next
start: what ``kill -9`` leaves.
"""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from maildropd.host import durable
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId, Submission, queue_id
from maildropd.mail.errors import StoreFull, StoreUnusable
from maildropd.store.base import Lease, MessageView, Settlement, Stored
from maildropd.store.content import ROW_LIMIT
from maildropd.store.sqlite import SqliteStore
from tests.crash.failing_os import FailingOs
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.fuzz.on_disk import copy_of_the_dead, faults
from tests.fuzz.places import folder
from tests.fuzz.store_model import WAITING, StoreModel
from tests.fuzz.strategies import FATES, Fate, mails
from tests.unit.store.stage import DAYS, NOON, WAIT, submission

LEASE = timedelta(minutes=1)
LONG_AGO = NOON - timedelta(days=365)
UNKNOWN = QueueId("ZZZZZZZZZZZZ")
STEPS = 14  # from the first to the last of those that make a content file
PICK = st.integers(0, 11)
KEYS = st.lists(st.sampled_from(["k", "l", "m", "unknown"]), max_size=3)
PASSED = [timedelta(seconds=n) for n in (-3600, 1, 59, 60, 3600, 90_000)]
NO_ROOM = OSError(errno.ENOSPC, "No space left on device")


class StoreMachine(RuleBasedStateMachine):
    """One store on disk, with all that daemon, operator and fate do to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = folder()
        self.starts = count()
        self.ids = (queue_id(NOON + timedelta(seconds=n), 0) for n in count())
        self.names: list[QueueId] = []  # of all messages there ever were
        self.leases: list[Lease] = []  # that were given out, also long ago
        self.model = StoreModel("nobody")
        self.now = NOON

    @initialize(several=st.lists(mails(), min_size=3, max_size=3))
    def the_first_start(self, several: list[Submission]) -> None:
        self.state = self.folder / "0"
        self.state.mkdir()
        self._open()
        for mail in several:
            self.submit(mail)
        self.claim(3)

    def _open(self) -> None:
        self.model.owner = f"start {next(self.starts)}"
        self.clock = FakeClock()
        self.clock.time = LONG_AGO  # so that no key goes but by our rule
        self.store = SqliteStore(
            self.state,
            self.model.owner,
            FakeJournal(),
            self.clock,
            Heartbeats(self.clock),
        )

    # --- what comes in

    @rule(mail=mails())
    def submit(self, mail: Submission) -> None:
        self._submit(mail)()

    @rule(several=st.lists(mails(), min_size=2, max_size=4), pick=PICK)
    def submit_at_once(self, several: list[Submission], pick: int) -> None:
        """They share a commit; one whose id is taken must fail alone."""
        checks = [self._submit(mail) for mail in several[1:]]
        taken = self._name(pick)
        if taken in self.model.mails:
            clash = self.store.add(submission(), taken, (self.now, self.now))
            checks.append(lambda: _assert_refused(clash.exception(WAIT)))
        checks.append(self._submit(several[0]))
        for check in checks:
            check()

    @rule(mail=mails(large=True), step=st.integers(1, STEPS))
    def submit_to_a_full_disk(self, mail: Submission, step: int) -> None:
        """Whatever the step that fails: refused is gone, accepted is kept."""
        name = next(self.ids)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(durable, "os", FailingOs(step, NO_ROOM))
            future = self.store.add(mail, name, (self.now, self.now + DAYS))
            error = future.exception(WAIT)
        if error is None:
            self._note(mail, name, future.result())
        else:
            assert isinstance(error, StoreFull)

    def _submit(self, mail: Submission) -> Callable[[], None]:
        """Hand over; what is returned waits for the answer, and checks it."""
        name = next(self.ids)
        future = self.store.add(mail, name, (self.now, self.now + DAYS))
        return lambda: self._note(mail, name, future.result(WAIT))

    def _note(self, mail: Submission, name: QueueId, stored: Stored) -> None:
        octets = b"".join(mail.content)
        known = self.model.known(mail.key, self.now)
        assert stored == Stored(
            queue_id=known or name, size=len(octets), repeated=known is not None
        )
        if known:
            return
        self.names.append(name)
        self.model.add(mail, name, octets, (self.now, self.now + DAYS))
        view = self.store.show(name)
        assert view is not None
        self.model.turn(name, view.recipients[0].due)

    @rule(keys=KEYS)
    def forget_keys(self, keys: list[str]) -> None:
        self.store.forget_keys(keys).result(WAIT)
        for key in keys:
            self.model.keys.pop(key, None)

    @rule()
    def old_keys_are_swept(self) -> None:
        """Those that count stay, whatever the clock was before."""
        self.clock.time = self.now
        self.clock.up += timedelta(hours=2)
        self.store._change(self.store._upkeep.purge).result(WAIT)
        self.clock.time = LONG_AGO
        self.model.swept(self.now)
        with closing(sqlite3.connect(self.state / "queue.db")) as database:
            found = {key for (key,) in database.execute("SELECT key FROM submission")}
        assert found == self.model.keys.keys()

    # --- what the manager does

    @precondition(lambda self: self.model.any_due(self.now))
    @rule(limit=st.integers(1, 5))
    def claim(self, limit: int) -> None:
        until = self.now + LEASE
        leases = self.store.claim(limit, self.now, until).result(WAIT)
        self.model.claimed(leases, limit, self.now, until)
        self.leases += leases

    @precondition(lambda self: self.model.any_leased())
    @rule(limit=st.integers(1, 9))
    def claim_what_was_leased(self, limit: int) -> None:
        """The leases end; who had them does not know."""
        self.now += LEASE
        self.claim(limit)

    @precondition(lambda self: self.leases)
    @rule(pick=PICK)
    def renew(self, pick: int) -> None:
        lease, until = self._lease(pick), self.now + LEASE
        renewed = self.store.renew(lease, until).result(WAIT)
        assert renewed is self.model.renew(lease, until)

    @precondition(lambda self: self.leases)
    @rule(
        picks=st.lists(PICK, min_size=1, max_size=3),
        fates=st.lists(FATES, min_size=1, max_size=4),
    )
    def settle(self, picks: list[int], fates: list[Fate]) -> None:
        """By leases of now and of long ago, and some of them twice."""
        self._settle(
            [
                self._settlement(lease, n, fates[n % len(fates)])
                for lease in map(self._lease, picks)
                for n in range(len(lease.recipients))
            ]
        )

    @precondition(lambda self: self.model.any_due(self.now))
    @rule(limit=st.integers(1, 9), fates=st.lists(FATES, min_size=1, max_size=4))
    def attempt(self, limit: int, fates: list[Fate]) -> None:
        """What nearly always happens: a claim, and at once what came of it."""
        before = len(self.leases)
        self.claim(limit)
        self._settle(
            [
                self._settlement(lease, n, fates[n % len(fates)])
                for lease in self.leases[before:]
                for n in range(len(lease.recipients))
            ]
        )

    @precondition(lambda self: self.model.any_leased())
    @rule(fate=FATES, whole=st.booleans())
    def settle_the_newest(self, fate: Fate, *, whole: bool) -> None:
        lease = self.leases[-1]
        number = len(lease.recipients) if whole else 1
        self._settle([self._settlement(lease, n, fate) for n in range(number)])

    @precondition(lambda self: self.model.any_leased())
    @rule(fate=FATES)
    def settle_too_late(self, fate: Fate) -> None:
        """The lease ended, and somebody else has what it was for."""
        lease = self.leases[-1]
        self.claim_what_was_leased(9)
        numbers = range(len(lease.recipients))
        self._settle([self._settlement(lease, n, fate) for n in numbers])

    def _settle(self, settlements: list[Settlement]) -> None:
        settled = self.store.settle(settlements).result(WAIT)
        expected = self.model.settle(settlements)
        assert settled.lost == expected.lost
        assert sorted(settled.done) == sorted(expected.done)

    def _settlement(self, lease: Lease, n: int, fate: Fate) -> Settlement:
        return Settlement(
            queue_id=lease.envelope.queue_id,
            recipient=lease.recipients[n],
            state=fate.state,
            due=self.now + fate.wait if fate.state in WAITING else None,
            reply=fate.reply,
            relay=fate.relay,
            attempted=fate.attempted,
        )

    # --- what an operator does

    @rule(command=st.sampled_from(["hold", "release", "remove"]), pick=PICK)
    def operate(self, command: str, pick: int) -> None:
        name, store, model = self._name(pick), self.store, self.model
        match command:
            case "hold":
                assert store.hold(name).result(WAIT) is model.hold(name)
            case "release":
                released = store.release(name, self.now).result(WAIT)
                assert released is model.release(name, self.now)
            case _:
                assert store.remove(name).result(WAIT) is model.remove(name)

    @rule(pick=PICK)
    def hold_and_think_again(self, pick: int) -> None:
        self.operate("hold", pick)
        self.operate("release", pick)

    @rule(picks=st.lists(PICK, max_size=3))
    def flush(self, picks: list[int]) -> None:
        names = [self._name(pick) for pick in picks]
        flushed = self.store.flush(names, self.now).result(WAIT)
        assert flushed == self.model.flush(names, self.now)

    # --- what fate does

    @rule(by=st.sampled_from(PASSED))
    def time_passes(self, by: timedelta) -> None:
        """Or a clock is set back."""
        self.now += by

    @rule(killed=st.booleans(), prompt=st.booleans(), held=st.booleans())
    def the_daemon_ends(self, *, killed: bool, prompt: bool, held: bool) -> None:
        """The next start ends the old leases, or is slow to."""
        if held and self.leases:
            self.operate("hold", self._pick(self.leases[-1]))
        if killed:
            dead, self.state = self.state, self.folder / self.model.owner
            copy_of_the_dead(dead, self.state)
            self.store.close()
            shutil.rmtree(dead)
        else:
            self.store.close()
            assert faults(self.state, self.model.keys) == []
        self._open()
        self._everything_is_there()
        if prompt:
            self.take_over()

    @precondition(lambda self: self.model.any_dead())
    @rule()
    def take_over(self) -> None:
        ended = self.store.take_over(self.now).result(WAIT)
        assert ended == self.model.take_over(self.now)

    def teardown(self) -> None:
        try:
            self._everything_is_there()
            self.store.close()
            assert faults(self.state, self.model.keys) == []
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    # --- what holds all the time

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        store, views = self.store, self.model.views()
        assert [*store.list("", 3), *store.list(_third(views), 999)] == views
        assert store.counts() == self.model.counts()
        assert store.next_due() == self.model.next_due()
        assert store.oldest() == self.model.oldest()

    @invariant()
    def only_large_messages_have_a_file(self) -> None:
        large = {
            name
            for name, mail in self.model.mails.items()
            if len(mail.content) > ROW_LIMIT
        }
        assert set(os.listdir(self.state / "content")) == large

    def _everything_is_there(self) -> None:
        for name in self.names:
            mail = self.model.mails.get(name)
            assert self.store.show(name) == (self.model.view(mail) if mail else None)
            if mail:
                assert b"".join(self.store.content(name)) == mail.content

    def _name(self, pick: int) -> QueueId:
        """Return the id of a message, perhaps of one that is gone."""
        names = [UNKNOWN, *self.names[-10:]]
        return names[-1 - pick % len(names)]

    def _pick(self, lease: Lease) -> int:
        """Return what ``_name`` makes the id of."""
        recent = self.names[-10:]
        name = lease.envelope.queue_id
        return len(recent) - 1 - recent.index(name) if name in recent else 0

    def _lease(self, pick: int) -> Lease:
        recent = self.leases[-8:]
        return recent[-1 - pick % len(recent)]


def _third(views: list[MessageView]) -> str:
    """Return where a first page of three ends."""
    return views[min(len(views), 3) - 1].envelope.queue_id if views else ""


def _assert_refused(error: BaseException | None) -> None:
    assert isinstance(error, StoreUnusable), error
