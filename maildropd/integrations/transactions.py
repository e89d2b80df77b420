# SPDX-License-Identifier: Apache-2.0
"""Mail for programs that use the ``transaction`` package, as Zope and Pyramid do.

It leaves when the transaction commits, never when it does not, and once however
often the transaction is tried.  Nothing touches the disk before the vote.
"""

from collections.abc import Iterable
from email.message import Message
from typing import TYPE_CHECKING, Any, Unpack

import transaction
from transaction.interfaces import InvalidSavepointRollbackError

from maildropd.api import Door, Submission, prepare
from maildropd.integrations.outbox import Outbox

if TYPE_CHECKING:
    from maildropd.api import Wishes


def send(
    message: "bytes | str | Message[Any, Any]",
    sender: str | None = None,
    recipients: str | Iterable[str] | None = None,
    *,
    transaction_manager: Any = None,
    door: Door | None = None,
    **wishes: "Unpack[Wishes]",
) -> Submission:
    """Send a message when the transaction commits; return what will be sent.

    What is wrong with it is raised now (``maildropd.api.NotAccepted``), and
    never by the commit.  The wishes are those of ``maildropd.api.prepare``.
    Raise ``ValueError`` when the transaction is committing, or over.
    """
    mail = prepare(message, sender, recipients, **wishes)
    manager = (
        transaction.manager if transaction_manager is None else transaction_manager
    )
    _joined(manager.get(), door).add(mail)
    return mail


class MailDataManager:
    """The mails of one transaction for one door: a data manager with savepoints."""

    def __init__(self, door: Door | None = None) -> None:
        """Have no mail yet."""
        self.transaction_manager: Any = None  # the interface wants it; unused
        self.is_over = False  # it has left the transaction, and must not be used
        self._voted = False
        self._outbox = Outbox(door)
        self._mails: list[Submission] = []
        self._savepoints: list[Savepoint] = []

    def add(self, mail: Submission) -> None:
        """Send one more at the commit."""
        if self._voted:
            raise _too_late()
        self._mails.append(mail)

    def savepoint(self) -> "Savepoint":
        """Remember which mails there are."""
        made = Savepoint(self, len(self._mails))
        self._savepoints.append(made)
        return made

    def roll_back(self, savepoint: "Savepoint") -> None:
        """Drop the mails that came after; later savepoints are none any more."""
        if savepoint not in self._savepoints:
            raise InvalidSavepointRollbackError("invalidated by an earlier savepoint")
        del self._savepoints[self._savepoints.index(savepoint) + 1 :]
        del self._mails[savepoint.count :]

    # Called by the transaction, from here on.

    def sortKey(self) -> str:
        """Vote when the databases have agreed, as their keys begin with letters.

        But before zope.sqlalchemy ("~sqlalchemy:"): that one commits when it is
        asked to vote, and could not go back if we said no.
        """
        return "~maildropd"

    def tpc_begin(self, _transaction: object) -> None:
        """Begin to commit."""

    def commit(self, _transaction: object) -> None:
        """Do nothing yet: others may still send."""

    def tpc_vote(self, _transaction: object) -> None:
        """Have the mails on the disk; raise ``Unavailable`` to stop the commit."""
        self._voted = True
        self._outbox.stage(self._mails)

    def tpc_finish(self, _transaction: object) -> None:
        """Let them leave; never raise."""
        self._outbox.release()
        self._leave()

    def tpc_abort(self, _transaction: object) -> None:
        """Take them back, after the vote or before it; never raise."""
        self._outbox.discard()
        self._leave()

    def abort(self, _transaction: object) -> None:
        """Forget them; also called when all is over, by a hook after the commit."""
        self._outbox.discard()
        self._leave()

    def _leave(self) -> None:
        self.is_over = True
        self._mails.clear()
        self._savepoints.clear()


class Savepoint:
    """Where a transaction can go back to; two are never equal."""

    def __init__(self, manager: MailDataManager, count: int) -> None:
        """Stand behind the first so many mails."""
        self.count = count
        self._manager = manager

    def rollback(self) -> None:
        """Go back; raise ``InvalidSavepointRollbackError`` when it is none any more."""
        self._manager.roll_back(self)


def _joined(found: Any, door: Door | None) -> MailDataManager:
    """Return the data manager of a transaction, which has joined it."""
    try:
        managers: dict[Door | None, MailDataManager] = found.data(send)
    except KeyError:
        managers = {}
        found.set_data(send, managers)
    manager = managers.get(door)
    # A savepoint from before it joined makes it leave again.
    if manager is None or manager.is_over:
        manager = MailDataManager(door)
        try:
            found.join(manager)
        except ValueError as error:
            raise _too_late() from error
        managers[door] = manager
    return manager


def _too_late() -> ValueError:
    return ValueError(
        "the transaction is committing, or over: no mail can belong to it "
        "(in a hook after the commit, use maildropd.api.submit)"
    )
