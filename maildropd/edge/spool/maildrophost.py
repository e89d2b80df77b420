# SPDX-License-Identifier: Apache-2.0
"""The form of MaildropHost: an envelope in ``##`` lines, then the message.

The message is sent as it is; a Bcc in it is its writer's will.
"""

import re

from maildropd.edge.spool.draft import Draft
from maildropd.mail.address import parse_list, parse_reverse_path, unique
from maildropd.mail.errors import Malformed
from maildropd.mail.message import message_id, unfolded

MARK = b"##"

_LINE = re.compile(rb"##([^\n]*)(?:\n|\Z)")


def is_form(head: bytes) -> bool:
    """Tell whether the first octets of a file are of this form."""
    return head.startswith(MARK)


def is_complete(head: bytes) -> bool:
    """Tell whether the message itself has begun, so that no ## line follows."""
    return _message_start(head) + len(MARK) <= len(head)


def read(head: bytes) -> Draft:
    """Read a file of this form; raise ``Malformed`` where it is broken."""
    to, sender = b"", b""
    at = 0
    while line := _LINE.match(head, at):
        key, colon, value = line[1].partition(b":")
        if not colon:
            raise Malformed(f"a ## line has no colon: {_shown(line[0])}")
        # The last one wins, and other keys are somebody else's business.
        if key == b"To":
            to = value
        elif key == b"From":
            sender = value
        at = line.end()
    if not head[at : at + 8192].strip():
        raise Malformed("there is no message after the ## lines")
    return Draft(
        reverse_path=parse_reverse_path(unfolded(sender.rstrip())),
        recipients=unique(parse_list(unfolded(to.rstrip()))),
        message_id=message_id(head, at),
        content=(head[at:],),
    )


def _message_start(head: bytes) -> int:
    at = 0
    while line := _LINE.match(head, at):
        at = line.end()
    return at


def _shown(line: bytes) -> str:
    return repr(line[:60].decode("ascii", "backslashreplace").rstrip())
