# SPDX-License-Identifier: Apache-2.0
"""The form of MaildropHost: an envelope in ``##`` lines, then the message.

The message is sent as it is; a Bcc in it is its writer's will.
"""

import re

from maildropd.edge.spool.draft import Draft, recipients
from maildropd.mail.address import addresses, parse_reverse_path
from maildropd.mail.errors import Malformed
from maildropd.mail.message import header_end, split

MARK = b"##"

_LINE = re.compile(rb"##[^\n]*(?:\n|\Z)")
_LOOKED_AT = 8192  # of the message: is there one at all?
_KEY_LIMIT = 80  # of what is looked at; To and From are shorter


def is_form(head: bytes) -> bool:
    """Tell whether the first octets of a file are of this form."""
    return head.startswith(MARK)


def is_complete(head: bytes) -> bool:
    """Tell whether the message itself has begun, and its header is all there.

    Blanks are no message yet: what follows them may be one.
    """
    at = _message_start(head)
    seen = head[at : at + _LOOKED_AT]
    if seen.isspace() or len(seen) < len(MARK):
        return len(seen) == _LOOKED_AT
    # It ends with an empty line, or before a whole one that is no field.
    return header_end(head, at) is not None or b"\n" in head[split(head, at) :]


def read(head: bytes, recipient_limit: int) -> Draft:
    """Read a file of this form; raise ``Malformed`` where it is broken."""
    octets = memoryview(head)
    to = sender = octets[:0]
    at = 0
    while line := _LINE.match(head, at):
        start, at = line.start(), line.end()
        colon = head.find(b":", start, at)
        if colon < 0:
            raise Malformed(f"a ## line has no colon: {_shown(head[start:at])}")
        # The last one wins, and other keys are somebody else's business.
        key = head[start + len(MARK) : min(colon, start + _KEY_LIMIT)]
        if key == b"To":
            to = octets[colon + 1 : at]
        elif key == b"From":
            sender = octets[colon + 1 : at]
    if not head[at : at + _LOOKED_AT].strip():
        raise Malformed("there is no message after the ## lines")
    return Draft(
        reverse_path=parse_reverse_path(sender),
        recipients=recipients(addresses(to), recipient_limit),
        content=(head[at:],),
    )


def _message_start(head: bytes) -> int:
    at = 0
    while line := _LINE.match(head, at):
        at = line.end()
    return at


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("ascii", "backslashreplace").rstrip())
