# SPDX-License-Identifier: Apache-2.0
"""A plain message, with its envelope in its own header (RFC 5322 3.6).

Bcc, Resent-Bcc and Return-Path speak to us, and are taken out: nobody but
their writer may see whom they name.
"""

import re

from maildropd.edge.spool.draft import Draft, recipients
from maildropd.mail.errors import Malformed
from maildropd.mail.header_envelope import FOR_US, HeaderEnvelope
from maildropd.mail.message import header_end, without

# The line that mbox files, and programs that write them, put before a message.
_MBOX_LINE = re.compile(rb">?From [^\n]*(?:\n|\Z)")
# On the wire a bare CR ends a line, and what follows is a field that we never saw.
_HIDDEN = re.compile(
    rb"\r((?:resent-)?(?:to|cc|bcc|from|sender|return-path))[ \t]*:", re.IGNORECASE
)


def is_complete(head: bytes) -> bool:
    """Tell whether the whole header is in the head."""
    return header_end(head) is not None


def read(head: bytes, recipient_limit: int) -> Draft:
    """Read a message; raise ``Malformed`` where the envelope is unclear."""
    mbox_line = _MBOX_LINE.match(head)
    start = mbox_line.end() if mbox_line else 0
    found = header_end(head, start)
    end = len(head) if found is None else found
    if hidden := _HIDDEN.search(head, start, end):
        name = hidden[1].decode("ascii")
        raise Malformed(f"a bare CR before {name}: others would see a field there")
    said = HeaderEnvelope(head, start, end)
    return Draft(
        reverse_path=said.reverse_path(),
        recipients=recipients(said.recipients(), recipient_limit),
        content=without(head, start, said.fields, FOR_US),
    )
