# SPDX-License-Identifier: Apache-2.0
"""Kill a process before each of its steps, and look at what the next one finds.

A step is a system call of ours or a statement of SQL.  What the process was
told by then, it passes on through a pipe, as it would tell its submitters.
"""

import os
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from maildropd.host import durable
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import QueueId
from maildropd.store.base import State
from maildropd.store.content import ROW_LIMIT
from maildropd.store.sqlite import SqliteStore
from tests.crash.failing_os import DyingOs, Steps
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.store.stage import NOON, WAIT, Stage, outcome, submission

SMALL = [b"Subject: small\r\n\r\n"]
LARGE = [bytes([n]) * 65536 for n in range(6)]
KINDS = {"small": SMALL, "large": LARGE}

Say = Callable[[str], None]
Story = Callable[[Stage, Say], None]


def opened(directory: Path, owner: str) -> SqliteStore:
    clock = FakeClock()
    return SqliteStore(directory, owner, FakeJournal(), clock, Heartbeats(clock))


def dies(
    directory: Path, step: int, story: Story, monkeypatch: pytest.MonkeyPatch
) -> tuple[bool, str]:
    """Run a story in a process that dies; return if it did, and what it said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _live(directory, Steps(step), story, monkeypatch, writing)
        finally:
            os._exit(1)
    os.close(writing)
    with open(reading, encoding="ascii") as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code != 0, said


def _live(
    directory: Path,
    steps: Steps,
    story: Story,
    monkeypatch: pytest.MonkeyPatch,
    pipe: int,
) -> None:
    monkeypatch.setattr(durable, "os", DyingOs(steps))
    store = opened(directory, f"child {steps._dies_at}")
    store._writer._database.connection().set_trace_callback(steps)

    def say(word: str) -> None:
        steps(word)  # it may die knowing what it has told nobody
        os.write(pipe, word.encode() + b" ")

    story(Stage(store), say)
    store.close()
    os._exit(0)


def every_crash(
    directory: Path, story: Story, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, Stage, Path]]:
    """Yield what was said and what is left, for each step the story has."""
    for step in count(1):
        place = directory / str(step)
        died, said = dies(place, step, story, monkeypatch)
        store = opened(place, "after")
        store.take_over(NOON).result(WAIT)
        try:
            yield said, Stage(store), place
        finally:
            store.close()
        if not died:
            assert step > 10
            return


def whole(stage: Stage, directory: Path) -> list[bytes]:
    """Return the contents of all that is queued; check that it hangs together."""
    views = stage.store.list("", 100)
    queue_ids = [view.envelope.queue_id for view in views]
    contents = [stage.content(queue_id) for queue_id in queue_ids]
    files = list((directory / "content").iterdir())
    assert stage.counts().get(State.READY, 0) == len(contents)
    assert len(stage.claim()) == len(contents)
    assert len(files) == sum(len(octets) > ROW_LIMIT for octets in contents)
    return contents


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_accepted_is_kept_and_nothing_is_kept_by_halves(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = KINDS[kind]

    def story(stage: Stage, say: Say) -> None:
        stage.submit(submission(content=octets, key="k"))
        say("accepted")

    outcomes = set()
    for said, stage, place in every_crash(tmp_path, story, monkeypatch):
        found = whole(stage, place)

        assert found in ([], [b"".join(octets)])
        assert found or "accepted" not in said
        # Whoever was told nothing comes again with the same key.
        next(stage.ids)  # the one that the dead process used
        assert stage.submit(submission(content=octets, key="k")).repeated is bool(found)
        assert stage.counts() == {State.READY: 1}
        outcomes.add((bool(found), said))
    assert outcomes >= {(False, ""), (True, ""), (True, "accepted ")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_delivered_is_gone_or_comes_again_but_is_never_lost(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = KINDS[kind]

    def story(stage: Stage, say: Say) -> None:
        stage.submit(submission(content=octets))
        say("accepted")
        (lease,) = stage.claim()
        say("sent")
        assert stage.settle(outcome(lease)).done
        say("settled")

    outcomes = set()
    for said, stage, place in every_crash(tmp_path, story, monkeypatch):
        found = whole(stage, place)

        if "settled" in said:
            assert found == []
        elif "sent" not in said and "accepted" in said:
            assert found == [b"".join(octets)]
        else:
            assert found in ([], [b"".join(octets)])
        outcomes.add((bool(found), said))
    assert {(True, "accepted "), (True, "accepted sent ")} <= outcomes
    assert (False, "accepted sent settled ") in outcomes


def test_a_hold_an_operator_was_told_of_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def story(stage: Stage, say: Say) -> None:
        queue_id = stage.add()
        say(queue_id)
        stage.store.hold(queue_id).result(WAIT)
        say("held")

    for said, stage, _ in every_crash(tmp_path, story, monkeypatch):
        if "held" in said:
            assert stage.states(QueueId(said.split()[0])) == [State.HOLD]
        elif said:
            assert stage.states(QueueId(said.split()[0]))
