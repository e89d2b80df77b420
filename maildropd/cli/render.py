# SPDX-License-Identifier: Apache-2.0
"""The answers of the daemon, or of the store, for people to read.

Messages are the objects of queue/requests.py.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from maildropd.cli.words import clean, count, moment, size, span

Message = Mapping[str, Any]

_WIDEST = 40  # a longer address pushes its own line only


def heading() -> str:
    """Return the names of the columns of a message."""
    return f"{'ID':<12}  {'SIZE':>5}  {'AGE':<10}  SENDER"


def listed(message: Message, now: datetime) -> Iterator[str]:
    """Yield a message in the queue, and a line for each recipient."""
    age = span(now - datetime.fromisoformat(message["arrived"]))
    yield (
        f"{message['id']:<12}  {size(message['size']):>5}  {age:<10}  "
        f"{_sender(message)}"
    )
    addresses = [clean(each["address"]) for each in message["recipients"]]
    width = min(max(map(len, addresses), default=0), _WIDEST)
    for address, recipient in zip(addresses, message["recipients"], strict=True):
        state, when = _condition(recipient, now)
        said = _reply(recipient) if recipient["reply"] else ""
        said += " [in doubt]" if recipient["in_doubt"] else ""
        line = f"    {address:<{width}}  {state:<10}  {when:<10}  {said}"
        yield line.rstrip()


def shown(message: Message, now: datetime) -> Iterator[str]:
    """Yield all there is to know about a message."""
    arrived = datetime.fromisoformat(message["arrived"])
    give_up = datetime.fromisoformat(message["give_up"])
    yield f"id          {message['id']}"
    yield f"sender      {_sender(message)}"
    yield f"submitter   {clean(_submitter(message))}"
    yield f"message-id  {clean(message['message_id'] or '-')}"
    yield f"size        {count(message['size'], 'octet')}"
    yield f"arrived     {moment(arrived)}, {span(now - arrived)} ago"
    yield f"give up     {moment(give_up)}, {_until(give_up, now)}"
    for recipient in message["recipients"]:
        yield ""
        yield f"recipient   {clean(recipient['address'])}"
        if recipient["run"]:
            yield f"run         {clean(recipient['run'])}"
        state, when = _condition(recipient, now)
        yield f"state       {state}" + (f", next try {when}" if when else "")
        yield f"attempts    {recipient['attempts']}"
        if recipient["in_doubt"]:
            yield "in doubt    it may have been delivered: an attempt was cut off"
        if recipient["reply"]:
            by = f", said {clean(recipient['relay'])}" if recipient["relay"] else ""
            yield f"reply       {_reply(recipient)}{by}"


def totals(messages: int, states: Mapping[str, int]) -> str:
    """Return the last line of a listing."""
    if not messages:
        return "the queue is empty"
    return f"{count(messages, 'message')}, {_counts(states)}"


def status(found: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Yield how things stand; what the store alone cannot say is left out."""
    if "version" in found:
        since = datetime.fromisoformat(found["since"])
        yield (
            f"maildropd   {found['version']}, pid {found['pid']}, running for "
            f"{span(now - since)}, since {moment(since)}"
        )
        yield f"config      {clean(found['config'])}"
    yield f"queue       {_counts(found['counts'])}"
    if found["oldest"]:
        oldest = datetime.fromisoformat(found["oldest"])
        yield f"oldest      {span(now - oldest)}, since {moment(oldest)}"
    if shortage := found.get("shortage"):
        yield f"store       NO NEW MAIL IS TAKEN, {clean(shortage)}"
    for relay in found.get("relays", ()):
        yield f"relay       {clean(relay['destination'])}: {_relay(relay)}"
    for spool in found.get("spools", ()):
        condition = clean(spool["condition"])
        trouble = "" if spool["works"] else "NOT WATCHED, "
        where = f"{clean(spool['name'])}: {clean(spool['path'])}"
        yield f"spool       {where}, {trouble}{condition}"


def _sender(message: Message) -> str:
    sender = message["sender"]
    return "<>" if sender is None else clean(sender)


def _submitter(message: Message) -> str:
    """Return who it was, and by which rules of the configuration it was taken."""
    uid, unit = message["submitter_uid"], message["submitter_unit"]
    labels = {"uid": uid, "unit": unit, "rules": message["submitter_rules"]}
    said = [f" {name}={value}" for name, value in labels.items() if value is not None]
    return "".join([message["submitter"], *said])


def _condition(recipient: Message, now: datetime) -> tuple[str, str]:
    """Return the state, and when the next attempt is."""
    if recipient["delivering"]:
        return "delivering", ""
    if not recipient["due"]:
        return str(recipient["state"]), ""
    return str(recipient["state"]), _until(
        datetime.fromisoformat(recipient["due"]), now
    )


def _until(at: datetime, now: datetime) -> str:
    return f"in {span(at - now)}" if at > now else "now"


def _reply(recipient: Message) -> str:
    reply = recipient["reply"]
    return clean(f"{reply['code']} {reply['status']} {reply['text']}".rstrip())


def _counts(states: Mapping[str, int]) -> str:
    total = count(sum(states.values()), "recipient")
    parts = [f"{number} {state}" for state, number in states.items() if number]
    return f"{total}: {', '.join(parts)}" if parts else total


def _relay(relay: Mapping[str, Any]) -> str:
    busy = (
        f"{count(relay['connections'], 'connection')}, "
        f"{count(relay['in_flight'], 'message')} in flight"
    )
    if relay["works"]:
        return f"works, {busy}"
    retry = relay["retry_in"]
    when = "" if retry is None else f", next try in {span(timedelta(seconds=retry))}"
    return f"FAILS ({clean(relay['reply'])}){when}, {busy}"
