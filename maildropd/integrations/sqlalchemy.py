# SPDX-License-Identifier: Apache-2.0
"""Mail of an SQLAlchemy session: it leaves when the session has committed.

It is on the disk before the databases prepare or commit, so that a full disk
stops the commit; mail of a nested transaction goes with that one.
"""

from collections.abc import Iterable, Sequence
from email.message import Message
from typing import TYPE_CHECKING, Any, Unpack

from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError

from maildropd.api import Door, Submission, prepare
from maildropd.integrations.outbox import Outbox

if TYPE_CHECKING:
    from maildropd.api import Wishes

_KEY = "maildropd.integrations.sqlalchemy"
_HEARD = ("before_commit", "after_commit", "after_transaction_end")


def mail_session(session: Any, door: Door | None = None) -> "MailSession":
    """Return what sends the mail of a session: always the same for the same.

    The session is a ``Session``, a ``scoped_session`` or an ``AsyncSession``.
    """
    if hasattr(session, "registry"):  # a scoped one: of this thread, or task
        session = session()
    session = getattr(session, "sync_session", session)
    found: MailSession | None = session.info.get(_KEY)
    if found is None:
        found = session.info[_KEY] = MailSession(session, door)
        for name in _HEARD:
            event.listen(session, name, getattr(found, name))
    return found


class MailSession:
    """The mails of the transaction that a session is in."""

    def __init__(self, session: Any, door: Door | None = None) -> None:
        """Have no mail yet; the events of the session are to be heard."""
        self._session: Any = session
        self._outbox = Outbox(door)
        # Each with its transaction: the innermost, until that one commits.
        self._mails: list[tuple[Any, Submission]] = []
        self._commits = 0  # how many transactions have begun to commit
        self._committed: Any = None

    def send(
        self,
        message: "bytes | str | Message[Any, Any]",
        sender: str | None = None,
        recipients: str | Iterable[str] | None = None,
        **wishes: "Unpack[Wishes]",
    ) -> Submission:
        """Send a message when the session commits; return what will be sent.

        What is wrong with it is raised now (``maildropd.api.NotAccepted``), and
        never by the commit.  The wishes are those of ``maildropd.api.prepare``.
        Raise ``InvalidRequestError`` where a query would.
        """
        mail = prepare(message, sender, recipients, **wishes)
        mails = [*self._mails, (self._transaction(), mail)]
        if self._is_ending():  # sent by the flush of a commit
            self._stage(mails)
        self._mails = mails
        return mail

    def before_commit(self, session: Any) -> None:
        """Have the mails on the disk, if it is the outermost that commits."""
        self._commits += 1
        if session.get_nested_transaction() is None:
            session.flush()  # so that it is staged once, with what this sends
            self._stage(self._mails)

    def after_commit(self, session: Any) -> None:
        """Let the mails leave, if it was the outermost; never raise."""
        self._commits = max(0, self._commits - 1)
        self._committed = session.get_nested_transaction()
        if self._committed is None:
            # If nobody has asked for us before the commit, nothing is staged.
            self._outbox.send([mail for _, mail in self._mails])
            self._mails = []

    def after_transaction_end(self, _session: Any, ended: Any) -> None:
        """Hand mails up to the parent, or drop them: rolled back, or just closed."""
        if ended.parent is None:
            self._outbox.discard()
            self._mails, self._commits = [], 0
        elif ended.nested and ended is self._committed:
            self._hand_up(ended)
        elif ended.nested:
            self._mails = [each for each in self._mails if each[0] is not ended]
            self._commits = 0

    def _hand_up(self, ended: Any) -> None:
        parent = _boundary(ended.parent)
        self._mails = [
            (parent if owner is ended else owner, mail) for owner, mail in self._mails
        ]
        if self._is_ending():  # the outermost began to commit with this one open
            self._stage(self._mails)

    def _is_ending(self) -> bool:
        """Tell whether the outermost transaction has begun to commit."""
        return self._commits > 0 and self._session.get_nested_transaction() is None

    def _stage(self, mails: Sequence[tuple[Any, Submission]]) -> None:
        self._outbox.stage([mail for _, mail in mails])

    def _transaction(self) -> Any:
        """Return the innermost transaction; begin one as a query does."""
        session = self._session
        if not session.is_active:
            raise InvalidRequestError(
                "no mail can belong to this transaction of the session: "
                "it is over, or must be rolled back first"
            )
        if not session.in_transaction():
            if not session.autobegin:
                raise InvalidRequestError("begin a transaction before sending mail")
            session.begin()
        return session.get_nested_transaction() or session.get_transaction()


def _boundary(found: Any) -> Any:
    """Skip what is a transaction in name only, as that of a flush."""
    while not found.nested and found.parent is not None:
        found = found.parent
    return found
