# SPDX-License-Identifier: Apache-2.0
"""An operator's request and its answer, as the control socket speaks them.

Both are JSON objects; ``maildropctl queue --json`` prints the messages as
they are here, so their field names stay.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from maildropd.mail.envelope import QueueId, is_queue_id
from maildropd.queue.operator import NotDone, Operator
from maildropd.store.base import MessageView, RecipientView

PAGE = 500  # messages in one answer, at most

Answer = dict[str, Any]
OnWall = Callable[[datetime], datetime]  # from the queue's time to the people's


def answer(operator: Operator, request: Mapping[str, Any], who: str) -> Answer:
    """Do what is asked; raise ``NotDone`` if that cannot be.

    ``list`` (after, limit), ``show`` (id), ``flush`` (ids), ``hold``,
    ``release``, ``remove`` (id), ``counts``.
    """
    match request:
        case {"command": "list", **rest}:
            return _list(operator, rest)
        case {"command": "show", "id": name}:
            found = operator.show(_queue_id(name))
            return {"message": shown(found, operator.on_wall)}
        case {"command": "flush", "ids": list(names)}:
            ids = [_queue_id(name) for name in names]
            return {"recipients": operator.flush(ids, who)}
        case {"command": "hold" | "release" | "remove" as command, "id": name}:
            acts = {
                "hold": operator.hold,
                "release": operator.release,
                "remove": operator.remove,
            }
            acts[command](_queue_id(name), who)
            return {}
        case {"command": "counts"}:
            return _counts(operator)
        case _:
            raise NotDone("unknown request")


def shown(message: MessageView, on_wall: OnWall) -> Answer:
    """Return a message as JSON has it; times are ISO 8601, in UTC."""
    envelope = message.envelope
    return {
        "id": envelope.queue_id,
        "sender": envelope.reverse_path,
        "size": envelope.size,
        "arrived": on_wall(envelope.arrived).isoformat(),
        "give_up": on_wall(message.give_up).isoformat(),
        "submitter": envelope.submitter.name,
        "submitter_uid": envelope.submitter.uid,
        "submitter_unit": envelope.submitter.unit,
        "submitter_rules": envelope.submitter.rules or None,
        "message_id": envelope.message_id,
        "ret": envelope.ret or None,
        "envid": envelope.envid or None,
        "verp": envelope.verp or None,
        "recipients": [_recipient(each, on_wall) for each in message.recipients],
    }


def _recipient(recipient: RecipientView, on_wall: OnWall) -> Answer:
    due, reply = recipient.due, recipient.reply
    return {
        "address": recipient.forward_path,
        "state": str(recipient.state),
        "due": due and on_wall(due).isoformat(),
        "attempts": recipient.attempts,
        "delivering": recipient.leased,
        "in_doubt": recipient.in_doubt,
        "relay": recipient.relay,
        "reply": reply
        and {"code": reply.code, "status": reply.status, "text": reply.text},
        "notify": recipient.terms.notify or None,
        "orcpt": recipient.terms.orcpt or None,
        "run": recipient.terms.run or None,
    }


def _list(operator: Operator, request: Mapping[str, Any]) -> Answer:
    after, limit = request.get("after", ""), request.get("limit", PAGE)
    if not isinstance(after, str) or not isinstance(limit, int):
        raise NotDone("unknown request")
    # Not any text: half a character is no text to SQLite.
    page = operator.page(after and _queue_id(after), max(1, min(limit, PAGE)))
    return {"messages": [shown(message, operator.on_wall) for message in page]}


def _counts(operator: Operator) -> Answer:
    oldest = operator.oldest()
    return {
        "counts": {str(state): number for state, number in operator.counts().items()},
        "oldest": oldest and operator.on_wall(oldest).isoformat(),
    }


def _queue_id(name: object) -> QueueId:
    """Accept what people type: Crockford's digits in either case."""
    text = str(name).upper()
    if not is_queue_id(text):
        raise NotDone(f"{str(name)[:40]}: is not a queue id")
    return QueueId(text)
