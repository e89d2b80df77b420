# SPDX-License-Identifier: Apache-2.0
"""What an operator may do, what comes of it, and what the log says."""

from collections.abc import Mapping
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import pytest

from maildropd.cli import render
from maildropd.mail.envelope import QueueId, Submission, Submitter, Terms, queue_id
from maildropd.mail.errors import StoreFull
from maildropd.mail.events import (
    MessageHeld,
    MessageReleased,
    MessageRemoved,
    QueueFlushed,
)
from maildropd.queue.operator import NotDone, Operator
from maildropd.queue.requests import PAGE, answer
from maildropd.store.base import State
from tests.unit.control.queues import Queue

WHO = "uid=0"
UNKNOWN = QueueId("0123456789AB")


@pytest.fixture
def woken() -> list[str]:
    return []


@pytest.fixture
def operator(queue: Queue, woken: list[str]) -> Operator:
    return Operator(
        queue.store, queue.journal, queue.clock, lambda: woken.append("now")
    )


def _ask(operator: Operator, **request: Any) -> Mapping[str, Any]:
    return answer(operator, request, WHO)


def test_a_held_message_waits_until_it_is_released(
    queue: Queue, operator: Operator, woken: list[str]
) -> None:
    name = queue.add()

    _ask(operator, command="hold", id=name)
    assert queue.state(name) is State.HOLD
    assert queue.journal.of(MessageHeld) == [MessageHeld(queue_id=name, operator=WHO)]
    assert woken == []

    _ask(operator, command="release", id=name)
    assert queue.state(name) is State.READY
    assert queue.journal.of(MessageReleased) == [
        MessageReleased(queue_id=name, operator=WHO)
    ]
    assert woken == ["now"]


def test_a_removed_message_is_gone(queue: Queue, operator: Operator) -> None:
    name = queue.add()

    _ask(operator, command="remove", id=name)

    assert queue.state(name) is None
    assert queue.journal.events[-1] == MessageRemoved(queue_id=name, operator=WHO)


def test_flush_makes_deferred_recipients_due(
    queue: Queue, operator: Operator, woken: list[str]
) -> None:
    queue.add("a@example.net", "b@example.net")
    queue.add()
    queue.defer()

    assert _ask(operator, command="flush", ids=[]) == {"recipients": 3}

    assert queue.store.next_due() == queue.clock.now()
    assert queue.journal.events[-1] == QueueFlushed(recipients=3, operator=WHO)
    assert woken == ["now"]


def test_flush_of_one_message_leaves_the_others(
    queue: Queue, operator: Operator
) -> None:
    first, _second = queue.add(), queue.add()
    queue.defer()

    assert _ask(operator, command="flush", ids=[first]) == {"recipients": 1}


def test_a_queue_id_may_be_typed_in_small_letters(
    queue: Queue, operator: Operator
) -> None:
    name = queue.add()

    found = _ask(operator, command="show", id=name.lower())

    assert found["message"]["id"] == name


def test_a_message_is_shown_with_all_that_is_known(
    queue: Queue, operator: Operator
) -> None:
    name = queue.add("bob@example.net", sender=None)
    queue.defer()

    message = _ask(operator, command="show", id=name)["message"]

    hour_ago = queue.clock.now() - timedelta(hours=1)
    assert message == {
        "id": name,
        "sender": None,
        "size": 22,
        "arrived": hour_ago.isoformat(),
        "give_up": (hour_ago + timedelta(days=5)).isoformat(),
        "submitter": "spool=drop",
        "submitter_uid": 1000,
        "submitter_unit": None,
        "submitter_rules": None,
        "message_id": "<1@example.org>",
        "ret": None,
        "envid": None,
        "verp": None,
        "recipients": [
            {
                "address": "bob@example.net",
                "state": "deferred",
                "due": (queue.clock.now() + timedelta(minutes=12)).isoformat(),
                "attempts": 1,
                "delivering": False,
                "in_doubt": False,
                "relay": "mx.example.net:25",
                "reply": {"code": 451, "status": "4.7.1", "text": "greylisted"},
                "notify": None,
                "orcpt": None,
                "run": None,
            }
        ],
    }


def test_what_a_sender_asked_for_and_who_it_was_is_shown(
    queue: Queue, operator: Operator
) -> None:
    asked = Terms(notify="NEVER", orcpt="rfc822;b", run="|/bin/true")
    who = Submitter(name="sendmail", uid=0, unit="cron.service", rules="staging")
    mail = Submission(
        reverse_path=None,
        recipients=("bob@example.net",),
        submitter=who,
        content=[b""],
        terms=(asked,),
        ret="HDRS",
        envid="7",
    )
    now = queue.clock.now()
    name = queue.store.add(mail, queue_id(now, 0), (now, now)).result(10).queue_id

    message = _ask(operator, command="show", id=name)["message"]

    assert (message["ret"], message["envid"]) == ("HDRS", "7")
    assert message["submitter_unit"] == "cron.service"
    assert message["submitter_rules"] == "staging"
    (recipient,) = message["recipients"]
    found = {each: recipient[each] for each in ("notify", "orcpt", "run")}
    assert found == {"notify": "NEVER", "orcpt": "rfc822;b", "run": "|/bin/true"}
    lines = list(render.shown(message, now))
    assert "submitter   sendmail uid=0 unit=cron.service rules=staging" in lines
    assert "run         |/bin/true" in lines


def test_the_queue_is_listed_page_by_page(queue: Queue, operator: Operator) -> None:
    names = [queue.add() for _ in range(5)]

    first = _ask(operator, command="list", limit=3)["messages"]
    rest = _ask(operator, command="list", limit=3, after=first[-1]["id"])["messages"]

    assert [message["id"] for message in [*first, *rest]] == names


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_a_page_has_a_limit_of_its_own(
    limit: int, queue: Queue, operator: Operator
) -> None:
    queue.add()

    assert len(_ask(operator, command="list", limit=limit)["messages"]) == 1
    assert PAGE == 500


def test_the_recipients_are_counted_by_state(queue: Queue, operator: Operator) -> None:
    queue.add("a@example.net", "b@example.net")

    found = _ask(operator, command="counts")

    assert found["counts"] == {"ready": 2, "deferred": 0, "hold": 0, "failed": 0}
    assert found["oldest"] == (queue.clock.now() - timedelta(hours=1)).isoformat()


def test_an_empty_queue_has_no_oldest_message(operator: Operator) -> None:
    assert _ask(operator, command="counts")["oldest"] is None


@pytest.mark.parametrize("command", ["show", "hold", "release", "remove"])
def test_an_unknown_message_is_told(command: str, operator: Operator) -> None:
    with pytest.raises(NotDone, match=f"{UNKNOWN}: is not in the queue"):
        _ask(operator, command=command, id=UNKNOWN)


def test_an_unknown_message_cannot_be_flushed(queue: Queue, operator: Operator) -> None:
    with pytest.raises(NotDone, match=f"{UNKNOWN}: is not in the queue"):
        _ask(operator, command="flush", ids=[queue.add(), UNKNOWN])


@pytest.mark.parametrize("name", ["", "0", "x" * 500, None, 7, "IIIIIIIIIIII"])
def test_what_is_no_queue_id_is_told(name: object, operator: Operator) -> None:
    with pytest.raises(NotDone, match="is not a queue id"):
        _ask(operator, command="show", id=name)


def test_what_is_held_cannot_be_held_again(queue: Queue, operator: Operator) -> None:
    name = queue.add()
    operator.hold(name, WHO)

    with pytest.raises(NotDone, match="nothing of it is waiting"):
        operator.hold(name, WHO)


def test_what_is_not_held_cannot_be_released(queue: Queue, operator: Operator) -> None:
    with pytest.raises(NotDone, match="nothing of it is held or failed"):
        operator.release(queue.add(), WHO)


def test_what_is_being_delivered_cannot_be_removed(
    queue: Queue, operator: Operator
) -> None:
    name = queue.add()
    queue.lease()

    with pytest.raises(NotDone, match="is being delivered right now"):
        operator.remove(name, WHO)
    assert _ask(operator, command="show", id=name)["message"]["recipients"][0][
        "delivering"
    ]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"command": "destroy"},
        {"command": "show"},
        {"command": "flush", "ids": "all"},
        {"command": "list", "after": 7},
        {"command": "list", "limit": "many"},
        {"command": ["show"]},
    ],
)
def test_what_nobody_knows_is_refused(
    request_: dict[str, Any], operator: Operator
) -> None:
    with pytest.raises(NotDone, match="unknown request"):
        answer(operator, request_, WHO)


def test_a_store_that_is_full_is_told(
    queue: Queue, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = queue.add()
    full: Future[bool] = Future()
    full.set_exception(StoreFull("no room in the store"))
    monkeypatch.setattr(queue.store, "hold", lambda _: full)

    with pytest.raises(NotDone, match="no room in the store"):
        operator.hold(name, WHO)
    assert not queue.journal.of(MessageHeld)
