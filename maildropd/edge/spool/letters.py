# SPDX-License-Identifier: Apache-2.0
"""Which form a file in a Maildir has: told by its content, never by its name."""

from maildropd.edge.spool import repoze_sendmail, rfc5322, zope_sendmail
from maildropd.edge.spool.draft import Draft


def is_complete(head: bytes) -> bool:
    """Tell whether the head of a file holds all that ``read`` looks at."""
    if zope_sendmail.is_form(head):
        return zope_sendmail.is_complete(head)
    return rfc5322.is_complete(head)


def read(head: bytes, recipient_limit: int) -> Draft:
    """Read the envelope; raise ``Malformed`` where there is none to be had."""
    if zope_sendmail.is_form(head):
        return zope_sendmail.read(head, recipient_limit)
    if repoze_sendmail.is_form(head):
        return repoze_sendmail.read(head, recipient_limit)
    return rfc5322.read(head, recipient_limit)
