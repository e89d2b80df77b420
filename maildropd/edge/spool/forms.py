# SPDX-License-Identifier: Apache-2.0
"""Which form a dropped file has: told by its first octets, never by its name."""

from maildropd.edge.spool import maildrophost, rfc5322
from maildropd.edge.spool.draft import Draft


def is_complete(head: bytes) -> bool:
    """Tell whether the head of a file holds all that ``read`` looks at."""
    if maildrophost.is_form(head):
        return maildrophost.is_complete(head)
    return rfc5322.is_complete(head)


def read(head: bytes, recipient_limit: int) -> Draft:
    """Read the envelope; raise ``Malformed`` where there is none to be had."""
    if maildrophost.is_form(head):
        return maildrophost.read(head, recipient_limit)
    return rfc5322.read(head, recipient_limit)
