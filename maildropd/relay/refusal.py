# SPDX-License-Identifier: Apache-2.0
"""What a refusal means: for one recipient, for the message, or for us altogether."""

from enum import StrEnum

from maildropd.mail.outcome import Disposition, Outcome
from maildropd.mail.reply import Reply
from maildropd.relay.wire import Said


class Step(StrEnum):
    """Where in a transaction we are; the words that logs show."""

    RSET = "RSET"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"
    FINAL = "final dot"


_NOT_LOGGED_IN = frozenset((530, 534, 535, 538))  # RFC 4954 section 6
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


def unclear(reply: Reply) -> bool:
    """Tell whether a refusal of MAIL may mean us or the sender it names.

    Then the message waits, and no other: the sender is a submitter's choice,
    and must neither fail by our fault nor stop what others have submitted.
    """
    return reply.permanent and reply.status == "5.7.0"


def deferral(reply: Reply, relay: str, *, in_doubt: bool = False) -> Outcome:
    """Return an outcome that waits, whatever the reply says."""
    if not reply.transient:
        text = f"{reply.code} {reply.text}"
        reply = Reply(451, f"4{reply.status[1:]}", text)
    return Outcome(
        disposition=Disposition.DEFERRED, reply=reply, relay=relay, in_doubt=in_doubt
    )
