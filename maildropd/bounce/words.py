# SPDX-License-Identifier: Apache-2.0
"""The part of a report that people read: what, who, why, and what to do.

The server's own words stand in it: whoever asks its administrator needs them.
"""

import textwrap
from collections.abc import Iterator, Mapping

from maildropd.bounce.case import Action, Case, Fate
from maildropd.bounce.fields import date, in_ascii, visible

SHOWN = 50  # recipients in the text; all are in the part for programs
_WIDTH = 76
_ADDRESS = 400
_SUBJECT_ADDRESS = 100

_ADVICE: Mapping[str, str] = {
    "1.1": "Look at the address: it may be misspelt, or not exist any more.",
    "1.2": "Look at what follows the @: no mail goes there.",
    "1.3": "Look at the address: it is not one that mail can go to.",
    "1.10": "Its domain takes no mail.",
    "2.1": "The mailbox is shut; its owner may have another address.",
    "2.2": "The mailbox is full; tell its owner in another way.",
    "2.3": "It is too large for this mailbox; send less at a time.",
    "3.4": "It is too large for that server; send less at a time.",
    "4.7": "Send it again if it still matters, when the trouble named above is over.",
    "6.7": "That server takes only addresses in plain letters.",
    "7.1": "It was refused as it came; the words above say why, as far as is told.",
}
_USUAL = "If the words above do not help, ask who runs that server; quote them."


def subject(case: Case) -> str:
    """Return the subject: what, and about whom."""
    what = {
        Action.FAILED: "Not delivered",
        Action.DELAYED: "Not delivered yet",
        Action.RELAYED: "Passed on",
        Action.DELIVERED: "Delivered",
    }[case.action]
    if len(case.fates) > 1:
        return f"{what}: your mail to {len(case.fates)} recipients"
    address = in_ascii(case.fates[0].forward_path)
    return f"{what}: your mail to {address[:_SUBJECT_ADDRESS]}"


def text(case: Case, host: str, returned: str) -> str:
    """Return the text; ``returned`` is what of the original comes with it."""
    parts = [
        f"This is the mail system at {host}.",
        _wrapped(_what(case)),
        *map(_about, case.fates[:SHOWN], [case] * SHOWN),
    ]
    if more := len(case.fates) - SHOWN:
        parts += [f"... and {more} more, listed in the next part."] if more > 0 else []
    parts += _then(case)
    parts.append(_wrapped(f"{returned} It has the queue id {case.mail.queue_id}."))
    return "\n\n".join(parts) + "\n"


def _what(case: Case) -> str:
    mail = case.mail
    name = f" ({in_ascii(mail.message_id)})" if mail.message_id else ""
    whom = "this recipient" if len(case.fates) == 1 else "these recipients"
    became = {
        Action.FAILED: "could not be delivered, and will not be tried again, to",
        Action.DELAYED: "could not be delivered yet to",
        Action.RELAYED: "was passed on to a server that tells nobody what becomes"
        " of it, for",
        Action.DELIVERED: "was delivered to",
    }[case.action]
    return f"Your message of {date(mail.arrived)}{name} {became} {whom}:"


def _about(fate: Fate, case: Case) -> str:
    lines = [
        f"<{visible(fate.forward_path)[:_ADDRESS]}>",
        _wrapped(_said(fate), "    "),
    ]
    if case.action is Action.FAILED:
        lines.append(_wrapped(_advice(fate), "    "))
    return "\n".join(lines)


def _said(fate: Fate) -> str:
    reply = fate.reply
    words = f"{reply.code} {reply.status} {visible(reply.text)}".rstrip()
    said = f"{in_ascii(fate.server)} said: {words}" if fate.server else words
    return (
        f"It was tried until it was too old. At last: {said}" if fate.expired else said
    )


def _advice(fate: Fate) -> str:
    kind = fate.status.partition(".")[2]
    return _ADVICE.get(kind, _USUAL)


def _then(case: Case) -> Iterator[str]:
    if case.action is Action.DELAYED and case.retry_until:
        yield _wrapped(
            f"There is nothing you need do. It will be tried until"
            f" {date(case.retry_until)}; you will hear of it if that fails."
        )
    elif case.action is Action.FAILED:
        yield _wrapped("This is only about who is named here, nobody else.")


def _wrapped(words: str, indent: str = "") -> str:
    return textwrap.fill(
        words,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
