# SPDX-License-Identifier: Apache-2.0
"""What zope.sendmail and repoze.sendmail are called by, under the same names.

Mail is queued in the same Maildir, in the same two forms, when the transaction
commits; maildropd watches it.  Beyond theirs, it is on disk before the databases
commit, and nothing that goes wrong afterwards reaches them.
"""

from collections.abc import Sequence
from email.message import Message
from pathlib import Path
from typing import Any, Protocol

import transaction

from maildropd.foreign.maildirs import forms
from maildropd.foreign.maildirs.command import SendmailMailer
from maildropd.foreign.maildirs.mailers import SMTPMailer, XVERPSMTPMailer
from maildropd.foreign.maildirs.messages import Content, completed, flat, named
from maildropd.foreign.maildirs.writing import Letter, Maildir
from maildropd.integrations.queue_processor import (
    QueueProcessor,
    QueueProcessorThread,
)
from maildropd.integrations.telling import Told, log

__all__ = (
    "DirectMailDelivery",
    "MailDataManager",
    "Maildir",
    "QueueProcessor",
    "QueueProcessorThread",
    "QueuedMailDelivery",
    "SMTPMailer",
    "SendmailMailer",
    "XVERPSMTPMailer",
)


class _Mail(Protocol):
    """One mail of a transaction."""

    def prepare(self) -> None:
        """Do all that may fail; raise to stop the commit."""
        ...

    def send(self) -> None:
        """Let it go; an error is told, and stops nothing any more."""
        ...

    def forget(self) -> None:
        """Take it back."""
        ...


class MailDataManager:
    """One mail in one transaction; one for each, so that savepoints need no more."""

    def __init__(self, mail: _Mail) -> None:
        """Know the mail."""
        self.transaction_manager: Any = None  # the interface wants it; unused
        self._mail = mail

    def savepoint(self) -> "MailDataManager":
        """Return what rolls back nothing: what joined later is dropped by itself."""
        return self

    def rollback(self) -> None:
        """Keep the mail: it was sent before the savepoint."""

    def sortKey(self) -> str:
        """Vote late, but before zope.sqlalchemy, which commits when it votes."""
        return "~maildropd"

    def tpc_begin(self, _transaction: object) -> None:
        """Begin to commit."""

    def commit(self, _transaction: object) -> None:
        """Do nothing yet."""

    def tpc_vote(self, _transaction: object) -> None:
        """Do all that may fail."""
        self._mail.prepare()

    def tpc_finish(self, _transaction: object) -> None:
        """Let it go; never raise: the databases have committed."""
        with Told("sent"):
            self._mail.send()

    def abort(self, _transaction: object) -> None:
        """Take it back; never raise."""
        with Told("taken back"):
            self._mail.forget()

    tpc_abort = abort


class _Queued:
    """A mail for a Maildir."""

    def __init__(self, maildir: Path, content: bytes) -> None:
        self._maildir = maildir
        self._content = content
        self._letter: Letter | None = None
        self._is_sent = False

    def prepare(self) -> None:
        self._letter = Maildir(self._maildir).write(self._content)

    def send(self) -> None:
        if self._letter is not None and not self._is_sent:
            self._is_sent = True
            self._letter.commit()

    def forget(self) -> None:
        # A hook after the commit has the transaction aborted once more.
        if self._letter is not None and not self._is_sent:
            self._letter.abort()


class _Direct:
    """A mail for a mailer."""

    def __init__(self, mailer: Any, *of_it: Any) -> None:
        self._mailer = mailer
        self._of_it = of_it

    def prepare(self) -> None:
        if vote := getattr(self._mailer, "vote", None):
            vote(*self._of_it)

    def send(self) -> None:
        if refused := self._mailer.send(*self._of_it):
            log().error("refused, and lost to them: %s", dict(refused))

    def forget(self) -> None:
        if abort := getattr(self._mailer, "abort", None):
            abort()


class _Delivery:
    """Either way: the message is completed, and waits for the commit."""

    def __init__(self, transaction_manager: Any = None) -> None:
        self._manager = transaction_manager

    def send(
        self, fromaddr: str | None, toaddrs: Sequence[str], message: Content
    ) -> str:
        """Send when the transaction commits; return the message id.

        For octets and text it has no brackets, and a Message-Id that has none is
        a ``ValueError``; for an object of the email package it has brackets.
        """
        to = [toaddrs] if isinstance(toaddrs, str) else list(toaddrs)
        if isinstance(message, Message):
            message_id, made = completed(message)
            mail = self._mail(fromaddr or "", to, made)
        else:
            message_id, content = named(message)
            mail = self._mail(fromaddr or "", to, content)
        manager = transaction.manager if self._manager is None else self._manager
        manager.get().join(MailDataManager(mail))
        return message_id

    def _mail(self, sender: str, recipients: list[str], message: Content) -> _Mail:
        raise NotImplementedError


class QueuedMailDelivery(_Delivery):
    """Into a Maildir: octets in zope.sendmail's form, objects in repoze.sendmail's."""

    def __init__(self, queuePath: str, transaction_manager: Any = None) -> None:
        """Queue in ``queuePath``, which is made if it is not there."""
        super().__init__(transaction_manager)
        self.queuePath = queuePath

    def _mail(self, sender: str, recipients: list[str], message: Content) -> _Mail:
        form = forms.repoze if isinstance(message, Message) else forms.zope
        content = form(sender, recipients, flat(message))
        return _Queued(Path(self.queuePath), content)


class DirectMailDelivery(_Delivery):
    """By a mailer, at once: a server that is away stops the commit."""

    def __init__(self, mailer: Any, transaction_manager: Any = None) -> None:
        """Send by ``mailer``, which may have ``vote`` and ``abort`` beside ``send``."""
        super().__init__(transaction_manager)
        self.mailer = mailer

    def _mail(self, sender: str, recipients: list[str], message: Content) -> _Mail:
        return _Direct(self.mailer, sender, recipients, message)
