# SPDX-License-Identifier: Apache-2.0
"""What a refusal means: for one recipient, for the message, or for us altogether."""

import re
from dataclasses import replace
from enum import StrEnum

from maildropd.mail.errors import MailError, RouteError, StoreUnusable
from maildropd.mail.outcome import Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.relay.wire import Said

TROUBLE = (RouteError, StoreUnusable, MemoryError)
"""What ends an attempt in the course of things; all else is a bug of ours."""

_NO_MEMORY = Reply(451, "4.3.0", "out of memory")


class Step(StrEnum):
    """Where in a transaction we are; the words that logs show."""

    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"
    FINAL = "final dot"


_NOT_LOGGED_IN = frozenset((530, 534, 535, 538))  # RFC 4954 section 6
_RELAYING = re.compile(r"\brelay(?:ing|ed)?\b|\brcpthosts\b", re.IGNORECASE)
_ADDRESS = re.compile(r"<[^>]*>|\S+@\S+")
_CREDENTIALS = frozenset(("5.7.8", "5.7.9", "5.7.11", "5.7.14", "5.7.57"))


def refusal(said: Said, step: Step) -> Reply:
    """Return a refusal in the server's words, with the place where it was said."""
    code, text = said
    if code == 552 and step is Step.RCPT:
        # "Too many recipients", since RFC 821: the rest may come later
        # (RFC 5321 4.5.3.1.10).  A full mailbox may be emptied as well.
        code = 452
    reply = Reply.parse(code, text)
    return Reply(reply.code, reply.status, f"{reply.text} (in reply to {step})")


def misconfigured(reply: Reply) -> bool:
    """Tell whether the server refuses us, rather than this mail."""
    if not reply.permanent:
        return False
    return reply.code in _NOT_LOGGED_IN or reply.status in _CREDENTIALS


def by_policy(reply: Reply) -> bool:
    """Tell whether a refusal of an envelope may mean us as well as this mail.

    "Relay access denied" is said to each mail of a host that is not known any
    more, and so is 503 where a login is demanded.  Who said it cannot tell us
    apart from a sender or a recipient that is not allowed; what becomes of
    other mail can (queue/standing.py).
    """
    if not reply.permanent:
        return False
    if reply.status == "5.0.0":  # old servers, without a status of their own
        return reply.code == 503 or bool(_RELAYING.search(_ADDRESS.sub("", reply.text)))
    return reply.status.startswith("5.7.") or reply.code == 503


def too_many(reply: Reply) -> bool:
    """Tell whether there was no room left in this transaction (RFC 5321 4.5.3.1.10).

    Old servers have no status of their own, and may mean a full disk as well:
    one more question finds that out.
    """
    return reply.code == 452 and reply.status in ("4.5.3", "4.0.0")


def cut(reply: Reply, relay: str) -> Outcome:
    """Return an outcome that waits because the conversation ended too early."""
    return Outcome.waiting(reply, relay, Sign.CUT)


def cut_by(error: Exception, relay: str) -> Outcome:
    """Return the outcome of those whose turn had not come at one of ``TROUBLE``."""
    return cut(error.reply if isinstance(error, MailError) else _NO_MEMORY, relay)


def doubt(reply: Reply, relay: str) -> Outcome:
    """Return the outcome of a final dot without an answer."""
    return replace(cut(reply, relay), in_doubt=True)
