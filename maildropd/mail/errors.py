# SPDX-License-Identifier: Apache-2.0
"""Errors, split on the question "try again?"; each carries its reply.

What is not in this tree is our bug: logged with its traceback, counted as
transient, and the mail is kept.
"""

from maildropd.mail.reply import Reply


class MailError(Exception):
    """Trouble with a message; ``reply`` is what its submitter is told."""

    default = Reply(451, "4.3.0", "local trouble")

    def __init__(self, text: str, reply: Reply | None = None) -> None:
        """Say what happened; the reply defaults to the class's own."""
        super().__init__(text)
        self.reply = reply or Reply(self.default.code, self.default.status, text)


class TransientError(MailError):
    """The same again later may work."""


class PermanentError(MailError):
    """The same again will not work."""

    default = Reply(554, "5.0.0")


class Malformed(PermanentError):
    """What was handed over is not a message with an envelope."""

    default = Reply(554, "5.6.0")


class BadAddress(Malformed):
    """An address that could not be delivered to by anybody."""

    default = Reply(553, "5.1.3")


class TooLarge(PermanentError):
    """The message is larger than the limit."""

    default = Reply(552, "5.3.4")


class TooManyRecipients(PermanentError):
    """The message names more recipients than the limit."""

    # RFC 5321 4.5.3.1.10 has 452 for a dialogue, where the rest can come in
    # another; the same message again will not work.
    default = Reply(550, "5.5.3")


class NotYet(TransientError):
    """The writer has not finished, or holds a lock; look again later."""


class NotNow(TransientError):
    """This mail cannot pass now; it says nothing about any other."""


class StoreFull(TransientError):
    """The file system has no room for another message."""

    default = Reply(452, "4.3.1")


class StoreUnusable(TransientError):
    """The store cannot be opened, read or written."""

    default = Reply(451, "4.3.0")


class StoreRefused(StoreUnusable):
    """The store is damaged, or not ours; it is untouched.

    Starting again will not help; only a person can.
    """


class StoreInDoubt(StoreUnusable):
    """A commit failed, and the disk refuses to have it undone for good.

    If the machine stops now, what was refused may be there at the next start.
    Under its submission key it can be submitted again, and is stored once.
    """


class ContentGone(StoreUnusable):
    """The octets of one message are missing, or are not those that were stored.

    Trying again will not bring them back; only a person can.
    """


class RouteError(TransientError):
    """The way to the next hop is broken; it says nothing about any message.

    Never a reason to bounce: the mail waits until the route works again.
    """

    default = Reply(451, "4.4.1")


class RouteMisconfigured(RouteError):
    """The next hop refuses us, whoever the mail is for; only people can help."""

    default = Reply(451, "4.7.0")


class NotTrusted(RouteMisconfigured):
    """The next hop cannot prove who it is; knocking again does no harm."""

    default = Reply(451, "4.7.5")
