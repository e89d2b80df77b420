# SPDX-License-Identifier: Apache-2.0
"""The operator's command on a store, while no daemon runs."""

import json
from pathlib import Path

import pytest

from maildropd.cli.store_desk import open_desk_on_store
from maildropd.config.layout import Layout
from maildropd.config.read import read
from tests.unit.cli.talk import Ctl
from tests.unit.control.queues import a_queue


def test_a_store_at_rest_is_listed(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        first = queue.add("bob@example.net", "someone.else@example.net")
        queue.defer()
        second = queue.add("eve@example.net", sender=None)

    said = ctl("queue")

    assert said.code == 0
    assert said.err == "maildropd is not running, this is its store\n"
    heading, *lines, totals = said.out.splitlines()
    assert heading.split() == ["ID", "SIZE", "AGE", "SENDER"]
    assert [line.split() for line in lines] == [
        [first, "22", *_age(lines[0]), "ann@example.org"],
        ["bob@example.net", "deferred", "now", "451", "4.7.1", "greylisted"],
        ["someone.else@example.net", "deferred", "now", "451", "4.7.1", "greylisted"],
        [second, "22", *_age(lines[3]), "<>"],
        ["eve@example.net", "ready", "now"],
    ]
    assert totals == "2 messages, 3 recipients: 2 deferred, 1 ready"


def _age(line: str) -> list[str]:
    return line.split()[2:-1]


def test_what_is_in_doubt_is_listed_alone(folder: Path, ctl: Ctl) -> None:
    """Who may have the mail already is asked about first, when copies are a harm."""
    with a_queue(folder) as queue:
        queue.add()
        queue.defer()
        doubtful = queue.add("eve@example.net")
        queue.defer(in_doubt=True)

    said = ctl("queue", "--in-doubt")

    _, message, recipient, totals = said.out.splitlines()
    assert message.split()[0] == doubtful
    assert recipient.endswith("greylisted [in doubt]")
    assert totals == "1 message, 1 recipient: 1 deferred"
    (found,) = map(json.loads, ctl("queue", "--json", "--in-doubt").out.splitlines())
    assert found["id"] == doubtful
    assert "may have been delivered" in ctl("show", doubtful).out


def test_nothing_in_doubt_is_said_so(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        queue.add()

    assert ctl("queue", "--in-doubt").out == "nothing is in doubt\n"


def test_an_empty_queue_is_said_to_be_empty(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder):
        pass

    assert ctl("queue").out == "the queue is empty\n"


def test_programs_get_one_object_a_line(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        names = [queue.add() for _ in range(3)]

    said = ctl("queue", "--json")

    messages = [json.loads(line) for line in said.out.splitlines()]
    assert [message["id"] for message in messages] == names
    assert set(messages[0]) == {
        "id",
        "sender",
        "size",
        "arrived",
        "give_up",
        "submitter",
        "submitter_uid",
        "submitter_unit",
        "submitter_rules",
        "message_id",
        "ret",
        "envid",
        "verp",
        "recipients",
    }


def test_a_queue_of_many_pages_is_listed_whole(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        names = queue.add_many(1001)

    said = ctl("queue", "--json")

    assert [json.loads(line)["id"] for line in said.out.splitlines()] == names


def test_a_message_is_shown(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        name = queue.add("bob@example.net")
        queue.defer()

    said = ctl("show", name.lower())

    assert said.code == 0
    assert f"id          {name}\n" in said.out
    assert "submitter   spool=drop uid=1000\n" in said.out
    assert "size        22 octets\n" in said.out
    assert "reply       451 4.7.1 greylisted, said mx.example.net:25\n" in said.out


@pytest.mark.parametrize("command", ["show", "hold", "release", "remove", "flush"])
def test_an_unknown_message_is_told(command: str, folder: Path, ctl: Ctl) -> None:
    with a_queue(folder):
        pass

    said = ctl(command, "0123456789AB")

    assert said.code == 1
    assert said.err.endswith("\n0123456789AB: is not in the queue\n")


def test_what_can_be_done_is_done_although_some_cannot(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        names = [queue.add(), queue.add()]

    said = ctl("remove", names[0], "0123456789AB", names[1])

    assert said.code == 1
    assert ctl("queue").out == "the queue is empty\n"


def test_hold_and_release_and_flush_work_on_a_store_at_rest(
    folder: Path, ctl: Ctl
) -> None:
    with a_queue(folder) as queue:
        name = queue.add("bob@example.net")
        queue.defer()

    assert ctl("hold", name).code == 0
    assert "1 recipient: 1 hold" in ctl("status").out
    assert ctl("release", name).code == 0
    assert "1 recipient: 1 deferred" in ctl("status").out
    assert ctl("flush").out.endswith("made due\n")


def test_without_a_store_there_is_nothing_to_look_at(folder: Path, ctl: Ctl) -> None:
    said = ctl("queue")

    assert said.code == 1
    assert said.err.endswith(f"{folder}/state: there is no store yet\n")
    assert not (folder / "state").exists()


def test_a_listing_that_somebody_pages_through_keeps_no_daemon_from_starting(
    folder: Path,
) -> None:
    with a_queue(folder) as queue:
        queue.add("bob@example.net")
    daemon = read(Layout.of_path(folder)).daemon

    with open_desk_on_store(daemon) as desk:
        desk.ask({"command": "status"})
        with a_queue(folder) as started:
            started.store.flush([], started.clock.now()).result()
        answered = desk.ask({"command": "status"})

    assert answered["counts"]["ready"] == 1


def test_a_store_that_a_daemon_holds_is_left_alone(folder: Path, ctl: Ctl) -> None:
    """It is starting or stopping, and does not answer yet, or any more."""
    with a_queue(folder):
        said = ctl("queue")

    assert said.code == 1
    assert "Traceback" not in said.err


def test_a_reload_needs_a_daemon(ctl: Ctl) -> None:
    said = ctl("reload")

    assert said.code == 1
    assert said.err == "maildropd is not running\n"
