# SPDX-License-Identifier: Apache-2.0
"""What people and programs see: no value may forge a line, a field or a colour."""

import json
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from maildropd.cli import render
from maildropd.host.journald import described, encoded
from maildropd.host.stream import as_json, as_text
from maildropd.mail.envelope import QueueId
from maildropd.mail.event import Event
from maildropd.mail.events import (
    MessageAccepted,
    MessageQuarantined,
    RecipientFailed,
)
from maildropd.mail.reply import Reply
from maildropd.mail.service_events import InternalError
from tests.fuzz.splits import text

_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
_ID = QueueId("000000000001")


def log(octets: bytes) -> None:
    """An event is one entry whose fields come back, and one line of text."""
    one, two, three, *_ = [*map(text, octets.split(b"\0")), "", "", ""]
    for event in _events(one, two, three):
        fields = described(event)
        expected = {
            key: value.encode("utf-8", "backslashreplace")
            for key, value in fields.items()
        }
        assert dict(_entry(encoded(fields))) == expected
        line = as_text(event, _NOON)
        assert line.isprintable()
        assert len(line.splitlines()) == 1
        again = json.loads(as_json(event, _NOON))
        assert again == {"TIME": "2026-01-02T12:00:00.000Z", **fields}
        assert as_json(event, _NOON).isprintable()


def _events(one: str, two: str, three: str) -> Iterator[Event]:
    yield MessageQuarantined(
        spool="drop", file=one, quarantine=two, reason=three, submitter_uid=1000
    )
    yield MessageAccepted(
        queue_id=_ID, sender=one, size=1, recipients=1, submitter=two, message_id=three
    )
    yield RecipientFailed(
        queue_id=_ID,
        recipient=one,
        relay=two,
        delay=timedelta(seconds=1),
        reply=Reply.parse(550, three),
        attempt=1,
    )
    yield InternalError(where=one, error=two, traceback=three)


def _entry(datagram: bytes) -> Iterator[tuple[str, bytes]]:
    """Read a datagram as journald does (systemd.journal, native protocol)."""
    at = 0
    while at < len(datagram):
        end = datagram.index(b"\n", at)
        key, equals, value = datagram[at:end].partition(b"=")
        at = end + 1
        if not equals:
            (size,) = struct.unpack_from("<Q", datagram, at)
            value = datagram[at + 8 : at + 8 + size]
            at += 8 + size
            assert datagram[at : at + 1] == b"\n"
            at += 1
        assert re.fullmatch(rb"[A-Z0-9_]{1,64}", key), key
        yield key.decode("ascii"), value


def screen(octets: bytes) -> None:
    """What maildropctl prints cannot steer a terminal."""
    one, two, three, *_ = [*map(text, octets.split(b"\0")), "", "", ""]
    doubtful = octets.count(b"#") % 2 == 1
    recipient = {
        "address": one,
        "state": "deferred",
        "due": _NOON.isoformat(),
        "attempts": 1,
        "delivering": False,
        "in_doubt": doubtful,
        "relay": two,
        "reply": {"code": 451, "status": "4.0.0", "text": three},
        "run": one,
    }
    message = {
        "id": _ID,
        "sender": two or None,
        "size": len(octets),
        "arrived": _NOON.isoformat(),
        "give_up": _NOON.isoformat(),
        "submitter": one,
        "submitter_uid": None,
        "submitter_unit": two or None,
        "submitter_rules": three or None,
        "message_id": three,
        "recipients": [recipient],
    }
    lines = [*render.listed(message, _NOON), *render.shown(message, _NOON)]
    assert all(line.isprintable() for line in lines)
    assert len(lines) == 2 + 12 + bool(one) + doubtful
