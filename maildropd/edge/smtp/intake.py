# SPDX-License-Identifier: Apache-2.0
"""One content on its way from the wire to whoever stores it."""

from maildropd.edge.smtp.contents import Contents, Counted
from maildropd.edge.smtp.desk import Desk
from maildropd.edge.smtp.seal import Seal
from maildropd.edge.smtp.wire import Wire
from maildropd.mail.errors import MailError
from maildropd.mail.reply import Reply


class Unfinished(Exception):
    """It was refused in the middle: nobody knows where it ends."""

    def __init__(self, reply: Reply) -> None:
        """Take the last word on it."""
        super().__init__(str(reply))
        self.reply = reply


async def taken(
    wire: Wire, desk: Desk, sha256: str, contents: Contents | Counted
) -> Reply:
    """Have a content stored; return the reply to it.

    Raise ``MailError`` for one that is refused, and ``Unfinished``.
    """
    parcel, seal = desk.parcel(), Seal(sha256)
    try:
        try:
            await wire.content(seal.over(parcel.write), contents)
        except MailError as error:
            desk.refused(str(error), error.reply)
            raise Unfinished(error.reply) from error
        seal.check()
        return await desk.take(parcel)
    finally:
        parcel.close()


def pass_over(_: bytes) -> None:
    """Take octets that nobody wants."""
