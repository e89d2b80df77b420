# SPDX-License-Identifier: Apache-2.0
"""The Python API: hand mail over, and know that it is safe (docs/PYTHON.md).

Each call imports what it needs when it is first made: an import of this module
costs a few milliseconds, and it needs the standard library only.
"""

from maildropd.client.errors import (
    BadMessage,
    NotAccepted,
    SubmissionError,
    Unavailable,
)
from maildropd.client.staged import Staged
from maildropd.client.values import Door, QueueStatus, Receipt, Submission

TYPE_CHECKING = False  # the typing module's own would cost its import
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from email.message import Message
    from typing import Any, TypedDict, Unpack

    class Wishes(TypedDict, total=False):
        """What may be said beside sender and recipients."""

        key: str | bytes | None
        verp: bool | str
        notify: str | None
        ret: str | None
        envid: str | None


__all__ = (
    "BadMessage",
    "Door",
    "NotAccepted",
    "QueueStatus",
    "Receipt",
    "Staged",
    "Submission",
    "SubmissionError",
    "Unavailable",
    "prepare",
    "queue_status",
    "queue_status_async",
    "send_email",
    "send_email_async",
    "stage",
    "submit",
    "submit_async",
)


def prepare(
    message: "bytes | str | Message[Any, Any]",
    sender: str | None = None,
    recipients: "str | Iterable[str] | None" = None,
    **wishes: "Unpack[Wishes]",
) -> Submission:
    """Return what ``submit`` would submit; raise ``BadMessage``.

    Without a sender, the one that Sender or From names; without recipients,
    all of To, Cc and Bcc.  Keywords: ``key``, under which it is one mail
    however often it is submitted; ``verp``; ``notify``, ``ret`` and ``envid``
    of RFC 3461.
    """
    from maildropd.client.preparing import prepared

    return prepared(_octets(message), sender, recipients, wishes)


def submit(
    message: "bytes | str | Message[Any, Any] | Submission",
    sender: str | None = None,
    recipients: "str | Iterable[str] | None" = None,
    *,
    door: Door | None = None,
    verify: bool = False,
    **wishes: "Unpack[Wishes]",
) -> Receipt:
    """Hand mail over; on return it would survive a power cut.

    Keywords as ``prepare`` has them; ``verify`` has the daemon compare a
    SHA-256 of the content.  Raise ``NotAccepted`` if it is refused for good
    (``BadMessage`` before anybody was asked), ``Unavailable`` if neither the
    socket nor the drop takes it now.  Nothing was sent then.
    """
    from maildropd.client.submitting import submitted

    one = _prepared(message, sender, recipients, wishes)
    return submitted(one, door or Door(), verify=verify)


async def submit_async(
    message: "bytes | str | Message[Any, Any] | Submission",
    sender: str | None = None,
    recipients: "str | Iterable[str] | None" = None,
    *,
    door: Door | None = None,
    verify: bool = False,
    **wishes: "Unpack[Wishes]",
) -> Receipt:
    """Do what ``submit`` does.

    If it is cancelled, the mail may be safe or not: submit the same
    ``Submission``, or under the same key, and one mail comes of both.
    """
    from maildropd.client.submitting_async import submitted

    one = _prepared(message, sender, recipients, wishes)
    return await submitted(one, door or Door(), verify=verify)


def send_email(
    sender: str,
    recipients: "str | Iterable[str]",
    email: "bytes | str | Message[Any, Any]",
    xverp: bool = False,  # noqa: FBT001, FBT002 - gs.email's own signature
) -> None:
    """Hand one mail over to many: in batches, with one Message-ID over all.

    With ``xverp``, each recipient has a return address of his own.  To nobody,
    nothing is done.  Raise as ``submit`` does, after all batches were tried: the
    error's ``unsent`` are those to whom nothing was sent.
    """
    from maildropd.client.mailing import Batches

    batches = Batches(sender, recipients, _octets(email), xverp=xverp)
    for one in batches.all:
        with batches.tried(one):
            submit(one)
    batches.finish()


async def send_email_async(
    sender: str,
    recipients: "str | Iterable[str]",
    email: "bytes | str | Message[Any, Any]",
    xverp: bool = False,  # noqa: FBT001, FBT002 - as above
) -> None:
    """Do what ``send_email`` does."""
    from maildropd.client.mailing import Batches

    batches = Batches(sender, recipients, _octets(email), xverp=xverp)
    for one in batches.all:
        with batches.tried(one):
            await submit_async(one)
    batches.finish()


def queue_status(door: Door | None = None) -> QueueStatus:
    """Ask the daemon how things stand; only root and its own user may.

    Raise ``Unavailable``, saying why.
    """
    from maildropd.client.asking import status

    return status(door or Door())


async def queue_status_async(door: Door | None = None) -> QueueStatus:
    """Do what ``queue_status`` does."""
    import asyncio

    return await asyncio.to_thread(queue_status, door)


def stage(submissions: "Sequence[Submission]", door: Door | None = None) -> Staged:
    """Put mails on disk, under a name that nobody takes, until they are released.

    All of them leave, or none does.  Raise ``Unavailable``.
    """
    from maildropd.client.submitting import staged

    return staged(submissions, door or Door())


def _prepared(
    message: object,
    sender: str | None,
    recipients: "str | Iterable[str] | None",
    wishes: "Mapping[str, object]",
) -> Submission:
    from maildropd.client.preparing import prepared

    if not isinstance(message, Submission):
        return prepared(_octets(message), sender, recipients, wishes)
    if sender is not None or recipients is not None or wishes:
        raise TypeError("a submission says everything itself")
    return message


def _octets(message: object) -> bytes:
    if isinstance(message, bytes):
        return message
    if isinstance(message, str):
        return _encoded(message)
    from maildropd.client.flattening import flattened

    return flattened(message)


def _encoded(message: str) -> bytes:
    try:
        return message.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        advice = "give bytes, or text that UTF-8 can say"
        raise BadMessage("message", str(error), advice) from error
