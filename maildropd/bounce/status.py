# SPDX-License-Identifier: Apache-2.0
"""The part of a report that programs read (RFC 3464, RFC 6533)."""

from collections.abc import Iterator
from ipaddress import ip_address

from maildropd.bounce.case import Action, Case, Fate
from maildropd.bounce.fields import (
    date,
    field,
    from_xtext,
    in_ascii,
    original_recipient,
    typed,
)


def fields(case: Case, host: str, *, in_utf8: bool) -> str:
    """Return the fields about the message, then those about each recipient.

    In UTF-8, or with escapes that any reader and any server takes.
    """
    about = "".join(_of_message(case, host, in_utf8=in_utf8))
    groups = (_of_recipient(fate, case, in_utf8=in_utf8) for fate in case.fates)
    return "\n".join([about, *map("".join, groups)])


def _of_message(case: Case, host: str, *, in_utf8: bool) -> Iterator[str]:
    mail = case.mail
    yield field("Reporting-MTA", f"dns; {host}")
    if envid := in_ascii(from_xtext(mail.envid)).strip():
        yield field("Original-Envelope-Id", envid)
    yield field("Arrival-Date", date(mail.arrived))
    yield field("X-Maildrop-Queue-ID", mail.queue_id)
    yield field("X-Maildrop-Sender", typed(mail.reverse_path, in_utf8=in_utf8))


def _of_recipient(fate: Fate, case: Case, *, in_utf8: bool) -> Iterator[str]:
    if fate.orcpt:
        original = original_recipient(fate.orcpt, in_utf8=in_utf8)
        yield field("Original-Recipient", original)
    yield field("Final-Recipient", typed(fate.forward_path, in_utf8=in_utf8))
    yield field("Action", case.action)
    yield field("Status", fate.status)
    if fate.server:
        yield field("Remote-MTA", f"dns; {_named(fate.server)}")
    yield field("Diagnostic-Code", _diagnostic(fate))
    if fate.at:
        yield field("Last-Attempt-Date", date(fate.at))
    if case.action is Action.DELAYED and case.retry_until:
        yield field("Will-Retry-Until", date(case.retry_until))


def _diagnostic(fate: Fate) -> str:
    """Return what was said; "smtp" only where a server said it."""
    reply = fate.reply
    kind = "smtp" if fate.server else "x-maildrop"
    return f"{kind}; {reply.code} {reply.status} {in_ascii(reply.text)}"


def _named(server: str) -> str:
    """Return a host; an address goes in brackets."""
    server = in_ascii(server).strip("[]")
    try:
        return f"[{ip_address(server)}]"
    except ValueError:
        return server
