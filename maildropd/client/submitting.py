# SPDX-License-Identifier: Apache-2.0
"""One submission on its way in: the socket, the socket again, else the drop.

All under one key: whatever was heard of the first try, one mail comes of it.
"""

import hashlib
from collections.abc import Sequence

from maildropd.client import dialogue, frames
from maildropd.client.connections import Connection, closed_unless_done, pool
from maildropd.client.dialogue import Absent, Again, Lost
from maildropd.client.errors import Unavailable
from maildropd.client.frames import NotInDrop
from maildropd.client.staged import Staged
from maildropd.client.values import Door, Receipt, Submission

_TRIES = 2


def submitted(one: Submission, door: Door, *, verify: bool = False) -> Receipt:
    """Return once the mail would survive a power cut.

    Raise ``NotAccepted`` or ``Unavailable``; nothing is sent then.
    """
    sha256 = digest(one) if verify else ""
    why = ""
    for number in range(_TRIES):
        try:
            found = _by_socket(one, door, sha256, fresh=number > 0)
        except (Absent, Again) as error:
            why = str(error)
            break
        except Lost as error:
            why = str(error)
            if not error.again:
                break
        else:
            return receipt(one, found)
    return left(one, door, why)


def left(one: Submission, door: Door, why: str) -> Receipt:
    """Leave it in the drop, since the socket does not take it; raise the same."""
    try:
        frames.leave(door.drop, one)
    except NotInDrop as error:
        raise unavailable(why, str(error)) from error
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


def unavailable(socket: str, drop: str) -> Unavailable:
    """Say why for both, and what to do."""
    return Unavailable(
        f"neither takes mail now, nothing is sent: {socket}; {drop} "
        "(is maildropd running? try again later, under the same key)"
    )


def _by_socket(one: Submission, door: Door, sha256: str, *, fresh: bool) -> str | None:
    """Return its queue id; raise ``Absent``, ``Again``, ``Lost``, ``NotAccepted``."""
    mine = pool(door)
    connection = None if fresh else mine.take()
    if connection is None:
        connection = Connection(door)
        mine.know(connection)
    with closed_unless_done(connection):
        commands, replies = dialogue.envelope(one, sha256)
        connection.say(commands)
        dialogue.check(one, [connection.reply() for _ in range(replies)])
        _say_content(connection, dialogue.content(one))
        found = dialogue.queue_id(connection.reply())
    mine.give_back(connection)
    return found


def _say_content(connection: Connection, octets: bytes) -> None:
    """Send it; who refuses it half way has said why before hanging up."""
    try:
        connection.say(octets)
    except Lost:
        dialogue.queue_id(connection.reply())
        raise
