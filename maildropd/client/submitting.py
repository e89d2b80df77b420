# SPDX-License-Identifier: Apache-2.0
"""One submission on its way in: the socket, the socket again, else the drop.

All under one key: whatever was heard of the first try, one mail comes of it.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from maildropd.client import blocking, frames
from maildropd.client.dialogue import Absent, Again, Lost
from maildropd.client.errors import Unavailable
from maildropd.client.frames import NotInDrop
from maildropd.client.staged import Staged
from maildropd.client.values import Door, Receipt, Submission


class Way:
    """Whether the socket is still to be tried, and why it did not take the mail."""

    def __init__(self) -> None:
        """Begin with a first try."""
        self.tries = 2
        self.fresh = False
        self.why = ""

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Try once; what is heard says whether to try again."""
        self.tries -= 1
        try:
            yield
        except (Absent, Again) as error:
            self.tries, self.why = 0, str(error)
        except Lost as error:
            self.tries, self.why = self.tries * error.again, str(error)
        self.fresh = True


def submitted(one: Submission, door: Door, *, verify: bool = False) -> Receipt:
    """Return once the mail would survive a power cut.

    Raise ``NotAccepted`` or ``Unavailable``; nothing is sent then.
    """
    sha256 = digest(one) if verify else ""
    way = Way()
    while way.tries:
        with way.tried():
            found = blocking.submitted(one, door, sha256, fresh=way.fresh)
            return receipt(one, found)
    return left(one, door, way.why)


def left(one: Submission, door: Door, why: str) -> Receipt:
    """Leave it in the drop, since the socket does not take it; raise the same."""
    try:
        frames.leave(door.drop, one)
    except NotInDrop as error:
        raise Unavailable(
            f"neither takes mail now, nothing is sent: {why}; {error} "
            "(is maildropd running? try again later, under the same key)"
        ) from error
    return receipt(one, None, where="drop")


def staged(submissions: Sequence[Submission], door: Door) -> Staged:
    """Put them on disk, where nobody takes them; raise ``Unavailable``."""
    if not submissions:
        return Staged(door.drop, "")
    try:
        return Staged(door.drop, frames.staged(door.drop, submissions))
    except NotInDrop as error:
        raise Unavailable(f"{error}; nothing is sent, try again later") from error


def digest(one: Submission) -> str:
    """Return what the daemon has to find in what it received."""
    return hashlib.sha256(one.content).hexdigest()


def receipt(one: Submission, queue_id: str | None, *, where: str = "socket") -> Receipt:
    """Return the receipt of a submission that is safe."""
    return Receipt(
        queue_id=queue_id,
        where=where,
        key=one.key,
        message_id=one.message_id,
        recipients=one.recipients,
    )
