# SPDX-License-Identifier: Apache-2.0
"""Which form a file in a Maildir has: told by its content, never by its name."""

from maildropd.edge.spool import repoze_sendmail, rfc5322, zope_sendmail
from maildropd.edge.spool.draft import Draft
from maildropd.mail.errors import Malformed


def is_complete(head: bytes) -> bool:
    """Tell whether the head of a file holds all that ``read`` looks at."""
    return rfc5322.is_complete(head)


def read(head: bytes, recipient_limit: int) -> Draft:
    """Read the envelope; raise ``Malformed`` where there is none to be had.

    Which of two envelopes was its author's and which its writer's, nobody knows.
    """
    is_zope, is_repoze = zope_sendmail.is_form(head), repoze_sendmail.is_form(head)
    if is_zope and is_repoze:
        raise Malformed("it has X-Zope and X-Actually fields, two envelopes")
    if is_zope:
        return zope_sendmail.read(head, recipient_limit)
    if is_repoze:
        return repoze_sendmail.read(head, recipient_limit)
    return rfc5322.read(head, recipient_limit)
