# SPDX-License-Identifier: Apache-2.0
"""The form of zope.sendmail: two lines of envelope, then the message.

The two end in LF, also where the message has CRLF.  The message is sent as it
is; a Bcc in it is its writer's will.
"""

from maildropd.edge.spool.draft import Draft, recipients
from maildropd.mail.address import addresses, parse_reverse_path
from maildropd.mail.errors import Malformed

FROM = b"X-Zope-From:"
TO = b"X-Zope-To:"


def is_form(head: bytes) -> bool:
    """Tell whether the first octets of a file are of this form.

    Half of it counts: what says so much of an envelope is no plain message.
    """
    return head.startswith((FROM, TO))


def read(head: bytes, recipient_limit: int) -> Draft:
    """Read a file of this form; raise ``Malformed`` where it is broken."""
    first, at = _line(head, 0, FROM)
    second, at = _line(head, at, TO)
    if at == len(head):
        raise Malformed("there is no message after the X-Zope lines")
    return Draft(
        reverse_path=parse_reverse_path(first),
        recipients=recipients(addresses(second), recipient_limit),
        content=(head[at:],),
    )


def _line(head: bytes, start: int, name: bytes) -> tuple[memoryview, int]:
    """Return the value of a line, and where the next one begins."""
    if not head.startswith(name, start):
        said = name.decode("ascii").rstrip(":")
        raise Malformed(f"{said} is missing: the first lines are X-Zope-From and -To")
    end = head.find(b"\n", start)
    end = len(head) if end < 0 else end
    return memoryview(head)[start + len(name) : end], min(end + 1, len(head))
