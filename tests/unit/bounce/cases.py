# SPDX-License-Identifier: Apache-2.0
"""Reports to try: usual ones, of which a test changes what it is about."""

from datetime import UTC, datetime
from typing import Any

from maildropd.bounce.case import Action, Case, Fate, Letterhead, Mail
from maildropd.bounce.original import Excerpt, excerpt
from maildropd.bounce.report import report
from maildropd.mail.envelope import QueueId
from maildropd.mail.reply import Reply
from tests.unit.bounce.reading import Read, read

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
REFUSED = Reply(550, "5.1.1", "no such user (in reply to RCPT)")
HEADER = b"Subject: hi\nMessage-ID: <1@example.org>\n\n"


def fate(forward_path: str = "bob@example.net", **more: Any) -> Fate:
    values: dict[str, Any] = {
        "reply": REFUSED,
        "relay": "mx.example.net:25",
        "at": NOON,
        **more,
    }
    return Fate(forward_path=forward_path, **values)


def mail(**more: Any) -> Mail:
    values: dict[str, Any] = {
        "queue_id": QueueId("0123456789AB"),
        "reverse_path": "ann@example.org",
        "arrived": NOON,
        "message_id": "<1@example.org>",
        **more,
    }
    return Mail(**values)


def case(*fates: Fate, **more: Any) -> Case:
    values: dict[str, Any] = {"mail": mail(), "action": Action.FAILED, **more}
    return Case(fates=fates or (fate(),), **values)


def letterhead(to: str = "ann@example.org") -> Letterhead:
    return Letterhead(
        host="mail.example.org",
        to=to,
        now=NOON,
        queue_id=QueueId("0123456789AC"),
        token="f00d",
    )


def made(
    what: Case | None = None,
    original: bytes = HEADER,
    *,
    to: str = "ann@example.org",
    whole_up_to: int = 0,
) -> Read:
    """Make a report, and read it again."""
    part = excerpt([original], whole_up_to, in_utf8=not to.isascii())
    return read(octets(what, part, to=to))


def octets(
    what: Case | None = None,
    original: Excerpt | None = None,
    *,
    to: str = "ann@example.org",
) -> bytes:
    """Make a report."""
    return report(what or case(), letterhead(to), original)
