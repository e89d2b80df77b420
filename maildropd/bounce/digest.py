# SPDX-License-Identifier: Apache-2.0
"""One mail about many failures, when a report each would be a storm."""

from collections.abc import Sequence
from dataclasses import dataclass

from maildropd.bounce.case import Fate, Letterhead, Mail
from maildropd.bounce.fields import date, in_ascii, visible
from maildropd.bounce.report import plain

_WORDS = 200  # characters of a reply
_LINE = 950  # of 998 that mail can carry


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recipient that none has been told of."""

    mail: Mail
    fate: Fate


def digest(entries: Sequence[Entry], head: Letterhead) -> bytes:
    """Return it; each recipient is named in it, with the words that refused it."""
    many = "1 recipient" if len(entries) == 1 else f"{len(entries)} recipients"
    lines = [
        f"This is the mail system at {head.host}.",
        "",
        f"Mail of yours could not be delivered to {many}, and will not be tried",
        "again.  There were too many for a report each; here is what is left:",
        "",
        *map(_listed, entries),
        "",
        "Each line names the recipient, the queue id, the time and the Message-ID",
        "of the mail, and what was said last.",
    ]
    return plain(head, f"Not delivered: mail to {many}", "\n".join(lines) + "\n")


def _listed(entry: Entry) -> str:
    mail, fate = entry.mail, entry.fate
    name = f" {in_ascii(mail.message_id)}" if mail.message_id else ""
    said = f"{fate.reply.code} {fate.reply.status} {visible(fate.reply.text)[:_WORDS]}"
    by = f"{in_ascii(fate.server)}: " if fate.server else ""
    told = f"<{visible(fate.forward_path)}> {mail.queue_id} {date(mail.arrived)}{name}"
    return f"{told} ({by}{said})"[:_LINE]
