# SPDX-License-Identifier: Apache-2.0
"""The judge of the soak finds each breach of a promise, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.soak.books import Books, Death, Report, Taken
from tests.soak.judge import judge
from tests.soak.letters import letter
from tests.soak.remains import Queued, Remains

ONE = letter(1, 1, "small")
TO = ONE.recipients[0]
TAKEN = Taken(
    at=10.0,
    since=9.0,
    key=ONE.key,
    sender=ONE.sender,
    recipients=ONE.recipients,
    digest=ONE.digest,
    server="a",
)
REMAINS = Remains(state=frozenset(("queue.db", "content")))
REPORT = Report(name="<1@x>", key=ONE.key, to=(ONE.sender,), recipients=ONE.recipients)
WAITS = Queued(key=ONE.key, recipient=TO, state="hold", leased=False)


@dataclass(slots=True, kw_only=True)
class World:
    """One letter that was left, delivered and told about."""

    books: Books = field(default_factory=Books)
    remains: Remains = REMAINS

    def take(self, **changes: Any) -> None:
        self.books.took(replace(TAKEN, **changes))

    def say(self, kind: str, **fields: str) -> None:
        self.books.told(kind, {f"MAILDROP_{key}": fields[key] for key in fields})

    def keep(self, **changes: Any) -> None:
        self.remains = replace(self.remains, **changes)

    def forget(self) -> None:
        self.books.taken.clear()
        self.books.heard.delivered.clear()

    def kill(self, at: float, in_flight: int) -> None:
        self.books.deaths.append(Death(at=at, in_flight=in_flight))


@pytest.fixture
def world() -> World:
    world = World()
    world.books.post(ONE, "drop")
    world.take()
    world.say(
        "MessageAccepted",
        QUEUE_ID="1",
        MESSAGE_ID=f"<{ONE.key}@soak.example>",
        SUBMITTER_UID=str(ONE.uid),
    )
    for recipient in ONE.recipients:
        world.say("RecipientDelivered", RECIPIENT=recipient)
        world.books.heard.delivered_at[recipient] = 10.5
    return world


def again(world: World) -> None:
    """A second copy, of which nothing was said."""
    world.take(at=30.0, since=29.0)


def report(world: World, **changes: Any) -> None:
    world.books.reported(replace(REPORT, **changes))


def reported_by_mistake(world: World) -> None:
    report(world)


def reported_twice(world: World) -> None:
    reported(world)
    report(world, name="<2@x>")


def reported_to_a_stranger(world: World) -> None:
    world.books.refuse(ONE.recipients)
    report(world, to=("eve@example.net",))


def reported_in_part(world: World) -> None:
    world.forget()
    world.books.refuse(ONE.recipients)
    report(world, recipients=())


def reported(world: World) -> None:
    world.forget()
    world.books.refuse(ONE.recipients)
    report(world)


def told_in_vain(world: World) -> None:
    """The report itself was refused, and is kept to be seen."""
    world.forget()
    world.books.refuse((*ONE.recipients, ONE.sender))
    world.keep(
        queued=(replace(WAITS, key="Q.report", recipient=ONE.sender, state="failed"),)
    )


def lost(world: World) -> None:
    world.forget()


def swallowed_too_often(world: World) -> None:
    """Nobody looked whether what is removed is what was read."""
    swallowed(world)
    for number in range(10, 15):
        more = replace(ONE, key=f"k{number:07}", recipients=(f"r0.{number}@x",))
        world.books.post(more, "drop")
        world.books.overwritten[f"k1{number:06}"] = more.key
        world.books.heard.accepted[f"k1{number:06}"] = 1


def doubled(world: World) -> None:
    again(world)


def doubled_after_its_word(world: World) -> None:
    """What the daemon had on its disk is not in flight, kill or no kill."""
    world.kill(20.0, 12)
    again(world)


def doubled_by_one_kill_too_often(world: World) -> None:
    world.books.heard.delivered_at.clear()
    world.kill(10.2, 0)
    again(world)


def doubled_beside_a_kill(world: World) -> None:
    """One kill stands for one copy more, not for two."""
    killed_in_flight(world)
    world.take(at=50.0, since=49.0)


def queued_again(world: World) -> None:
    world.keep(queued=(WAITS,))


def changed(world: World) -> None:
    world.books.taken[0] = replace(TAKEN, digest="other")


def another_sender(world: World) -> None:
    world.books.taken[0] = replace(TAKEN, sender="somebody@else.example")


def another_owner(world: World) -> None:
    world.books.heard.owners[ONE.key] = 4711


def a_stranger(world: World) -> None:
    world.take(recipients=("stranger@example.net",), since=9.5)


def a_ghost(world: World) -> None:
    world.take(key="k9999999", recipients=("r0.k9999999@net.example",))


def failed_by_nobody(world: World) -> None:
    world.forget()
    world.keep(queued=(replace(WAITS, state="failed"),))


def still_waiting(world: World) -> None:
    world.forget()
    world.keep(queued=(replace(WAITS, state="deferred"),))


def still_leased(world: World) -> None:
    world.forget()
    world.keep(queued=(replace(WAITS, leased=True),))


def stored_twice(world: World) -> None:
    world.books.heard.accepted[ONE.key] = 2


def delivered_in_silence(world: World) -> None:
    world.books.heard.delivered.clear()
    world.books.heard.failed.update(ONE.recipients)


def said_and_not_done(world: World) -> None:
    world.books.heard.delivered[TO] = 2


def accepted_in_silence(world: World) -> None:
    world.books.heard.accepted.clear()


def sent_after_removal(world: World) -> None:
    world.books.removed[ONE.key] = 5.0


def spoilt_and_not_set_aside(world: World) -> None:
    world.books.spoilt["bad7"] = "empty"


def set_aside_without_reason(world: World) -> None:
    world.books.spoilt["bad7"] = "empty"
    world.keep(quarantine=("20260101T000000Z-bad7",))


def good_mail_set_aside(world: World) -> None:
    world.keep(quarantine=("2026-m0000001", "2026-m0000001.reason"))


def left_in_the_drop(world: World) -> None:
    world.keep(drops=frozenset(("m0000001",)))


def an_orphan(world: World) -> None:
    world.keep(contents=frozenset(("4XK2",)))


def an_orphan_swept(world: World) -> None:
    """The last start sweeps what the last stop should not have left."""
    world.say("ServiceStopped")
    world.say("OrphansSwept", FILES="1")


def a_temporary_file(world: World) -> None:
    world.keep(state=frozenset(("queue.db", "content", ".x.tmp")))


def a_lock(world: World) -> None:
    world.keep(locked=("state",))


def a_broken_database(world: World) -> None:
    world.keep(integrity="page 7 is never used")


def a_wrong_tally(world: World) -> None:
    world.keep(tally_off="ready 1, and there are 0")


def a_bug(world: World) -> None:
    world.say("InternalError", ERROR="x")


BREACHES: Mapping[Callable[[World], None], str] = {
    lost: "LOST",
    swallowed_too_often: "LOST",
    doubled: "1 times too often, 2 copies",
    doubled_after_its_word: "1 times too often, 2 copies",
    doubled_beside_a_kill: "1 times too often, 3 copies",
    doubled_by_one_kill_too_often: "doubled 1 messages, and may 0",
    queued_again: "1 times too often, 1 copies, 1 queued",
    changed: "content has changed",
    another_sender: "sent as somebody@else.example",
    another_owner: "said to be by 4711",
    a_stranger: "stranger@example.net is no recipient",
    a_ghost: "nobody posted it",
    failed_by_nobody: "no server has refused it",
    reported_by_mistake: "no server has refused it",
    reported_twice: "reported twice",
    reported_to_a_stranger: "its report went to",
    reported_in_part: "LOST",
    still_waiting: "still deferred",
    still_leased: "still leased",
    stored_twice: "stored 2 times",
    delivered_in_silence: "delivered without a word",
    said_and_not_done: "said to be delivered 2 times",
    accepted_in_silence: "accepted without a word",
    sent_after_removal: "after an operator had removed it",
    spoilt_and_not_set_aside: "0 times in the quarantine",
    set_aside_without_reason: "without a reason",
    good_mail_set_aside: "nobody knows why",
    left_in_the_drop: "still in a drop",
    an_orphan: "content without message",
    an_orphan_swept: "1 orphans behind a stop in peace",
    a_temporary_file: "in the state directory",
    a_lock: "still locked",
    a_broken_database: "page 7",
    a_wrong_tally: "the tally says",
    a_bug: "the daemon said",
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_found(breach: Callable[[World], None], world: World) -> None:
    breach(world)

    found = judge(world.books, world.remains)

    assert [each for each in found if BREACHES[breach] in each]


def held(world: World) -> None:
    world.forget()
    world.keep(queued=tuple(replace(WAITS, recipient=each) for each in ONE.recipients))


def refused(world: World) -> None:
    held(world)
    world.books.refuse(ONE.recipients)
    failed = (replace(each, state="failed") for each in world.remains.queued)
    world.keep(queued=tuple(failed))


def removed(world: World) -> None:
    world.forget()
    world.books.removed[ONE.key] = 20.0


def written_over(world: World) -> None:
    world.forget()
    world.books.heard.accepted.clear()
    world.books.overwritten[ONE.key] = "k0000002"


def swallowed(world: World) -> None:
    """It was written over another in the moment in which that was removed."""
    world.forget()
    world.books.heard.accepted.clear()
    world.books.overwritten["k0000000"] = ONE.key
    world.books.heard.accepted["k0000000"] = 1


def in_doubt(world: World) -> None:
    again(world)
    for recipient in ONE.recipients:
        world.say("RecipientInDoubt", RECIPIENT=recipient)


def in_doubt_and_then_refused(world: World) -> None:
    delivered_in_silence(world)
    in_doubt(world)


def killed_in_flight(world: World) -> None:
    world.books.heard.delivered_at = dict.fromkeys(ONE.recipients, 30.5)
    world.kill(10.2, 1)
    again(world)


def killed_and_in_doubt(world: World) -> None:
    """A kill after the first copy, a broken connection after the second."""
    killed_in_flight(world)
    world.take(at=50.0, since=49.0)
    for recipient in ONE.recipients:
        world.say("RecipientInDoubt", RECIPIENT=recipient)


def a_kill_left_an_orphan(world: World) -> None:
    world.say("ServiceStopped")
    world.say("ServiceReady")
    world.say("OrphansSwept", FILES="1")


def set_aside(world: World) -> None:
    world.books.spoilt |= {"bad7": "empty", "bad8": "directory"}
    name = "20260101T000000Z-bad7"
    world.keep(quarantine=(name, f"{name}.reason"), drops=frozenset(("bad8",)))


REASONS = (
    reported,
    told_in_vain,
    held,
    refused,
    removed,
    written_over,
    swallowed,
    in_doubt,
    in_doubt_and_then_refused,
    killed_in_flight,
    killed_and_in_doubt,
    a_kill_left_an_orphan,
    set_aside,
)


@pytest.mark.parametrize("reason", REASONS)
def test_what_has_a_reason_is_no_breach(
    reason: Callable[[World], None], world: World
) -> None:
    assert not judge(world.books, world.remains)

    reason(world)

    assert not judge(world.books, world.remains)
