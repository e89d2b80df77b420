# SPDX-License-Identifier: Apache-2.0
"""``EMAIL_BACKEND`` for Django: mail of a transaction leaves when it commits.

Django tells nobody that it is about to commit, nor that it has rolled back.  So
mail is on the disk at once; and when Django forgets what was to be done on
commit, the bundle goes with it.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from email.generator import BytesGenerator
from email.utils import getaddresses
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils.encoding import punycode

from maildropd.api import Door, Submission, SubmissionError, prepare, submit
from maildropd.integrations.outbox import Outbox


class EmailBackend(BaseEmailBackend):
    """Hands mail to maildropd: within a transaction on commit, else at once.

    ``using`` is the database whose transactions count, None for no one's;
    ``door`` is where maildropd is.  Settings are their defaults.
    """

    def __init__(self, *, fail_silently: bool = False, **options: Any) -> None:
        """Take what ``get_connection`` is given; nobody logs in anywhere."""
        super().__init__(fail_silently=fail_silently)
        default = getattr(settings, "MAILDROPD_USING", DEFAULT_DB_ALIAS)
        self._using: str | None = options.get("using", default)
        door = Door(**getattr(settings, "MAILDROPD_DOOR", {}))
        self._door: Door = options.get("door", door)

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        """Send messages, and return how many are going to be delivered."""
        mails: list[Submission] = []
        for message in email_messages or ():
            if message.recipients():
                with self._silence():
                    mails.append(prepare(*_parts(message)))
        if mails and self._is_in_transaction():
            return self._stage(mails)
        return self._submit(mails)

    def _is_in_transaction(self) -> bool:
        if self._using is None:
            return False
        return bool(transaction.get_connection(self._using).in_atomic_block)

    def _submit(self, mails: Iterable[Submission]) -> int:
        taken = 0
        for mail in mails:
            with self._silence():
                submit(mail, door=self._door)
                taken += 1
        return taken

    def _stage(self, mails: Sequence[Submission]) -> int:
        outbox = Outbox(self._door)
        with self._silence():
            outbox.stage(mails)
            # Nothing else may know the outbox: when it rolls back, Django
            # forgets the callback, and that takes back what is on the disk.
            transaction.on_commit(outbox.release, using=self._using, robust=True)
        return len(mails) if outbox.is_full else 0

    def _silence(self) -> AbstractContextManager[None]:
        return suppress(SubmissionError) if self.fail_silently else nullcontext()


def _parts(message: Any) -> tuple[bytes, str, list[str]]:
    """Return content, sender and recipients of one of Django's messages."""
    octets, made = BytesIO(), message.message()
    policy = made.policy.clone(linesep="\r\n")
    # A line that begins with "From " stays as it is.
    BytesGenerator(octets, mangle_from_=False, policy=policy).flatten(made)
    recipients = [_with_ascii_domain(str(each)) for each in message.recipients()]
    return octets.getvalue(), _with_ascii_domain(str(message.from_email)), recipients


def _with_ascii_domain(text: str) -> str:
    """Say a domain as the DNS has it, as Django does: any server takes that."""
    if text.isascii():
        return text
    found = [address for _, address in getaddresses([text])]
    if not all("@" in address for address in found):
        return text  # not for us to mend
    parts = [address.rpartition("@") for address in found]
    return ", ".join(f"{local}@{punycode(domain)}" for local, _, domain in parts)
