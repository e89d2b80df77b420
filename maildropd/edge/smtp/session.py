# SPDX-License-Identifier: Apache-2.0
"""One client's dialogue (RFC 5321), from greeting to goodbye.

It ends with a reply, if the client still listens; too much that is wrong, or
comes to nothing, ends it.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from maildropd.edge.smtp import grammar
from maildropd.edge.smtp.contents import Contents, Counted, counted
from maildropd.edge.smtp.desk import Desk, introduced
from maildropd.edge.smtp.ends import Gone, Overdue
from maildropd.edge.smtp.grammar import BadCommand, Offer, OutOfOrder
from maildropd.edge.smtp.intake import Unfinished, pass_over, taken
from maildropd.edge.smtp.wire import Wire
from maildropd.mail.errors import (
    MailError,
    PermanentError,
    TooLarge,
    TooManyRecipients,
)
from maildropd.mail.reply import Reply

_MISTAKES = 20  # commands that are none, until we have enough
_CHATTER = 1000  # commands without a recipient or a message
_REFUSALS = 1000  # of commands that are right
_HELLO = re.compile(r"[\x21-\x7e\x80-\U0010ffff]{1,255}")
_STOPPING = Reply(421, "4.3.2", "maildropd is stopping")
_SILENCE = 0.5  # seconds, at a stop; four times as much within a message
_OK = Reply(250, "2.0.0", "ok")

Method = Callable[[str], Awaitable[None]]


class _Enough(Exception):
    """The session is over; the last word is said."""


class Session:
    """One dialogue; ``run`` it once."""

    def __init__(self, wire: Wire, desk: Desk, hostname: str) -> None:
        """Speak over a wire, for a desk, in the name of a host."""
        self._wire = wire
        self._desk = desk
        self._hostname = hostname
        self._greeted = False
        self._extended = False
        self._offer: Offer | None = None
        self._named = self._recipients = 0  # those who were not refused
        self._taken = 0
        self._stopping = False
        self._mistakes = self._chatter = 0
        self._refusals = 0
        self._methods: Mapping[str, Method] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "XDATA": self._xdata,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
            "HELP": self._help,
            "VRFY": self._vrfy,
            "XCLIENT": self._xclient,
        }

    async def run(self) -> None:
        """Speak until one of us has enough; what is a bug of ours passes through."""
        last: Reply | None = Reply(421, "4.3.0", "local trouble")
        try:
            self._greet()
            while await self._turn():
                pass
            last = None
        except (Gone, _Enough):
            last = None
        except Overdue:
            last = _STOPPING
        except asyncio.CancelledError:
            last = _STOPPING
            raise
        finally:
            if last is not None:
                self._wire.say(last)
            await self._desk.close()
            await self._wire.hang_up()

    def stop(self) -> None:
        """Bring the message that was begun to its end, and take no other."""
        self._stopping = True
        self._wire.hurry(_SILENCE * (1 if self._offer is None else 4))

    async def _turn(self) -> bool:
        try:
            line = await self._wire.line()
            if line is None:
                await self._wire.flush()
                return False
            verb, _, argument = line.decode("utf-8", "surrogateescape").partition(" ")
            method = self._methods.get(verb.upper(), self._unknown)
            await method(argument.strip(" "))
            self._chatter += 1
            if self._chatter > _CHATTER:
                self._last(Reply(421, "4.7.0", "too many commands, and no mail"))
        except MailError as error:
            self._refuse(error)
        return True

    def _refuse(self, error: MailError) -> None:
        """Answer, and count."""
        wrong = error.reply.code in (500, 501, 502, 503, 555)
        self._mistakes += wrong
        self._refusals += not wrong
        if self._mistakes >= _MISTAKES or self._refusals >= _REFUSALS:
            self._last(Reply(421, "4.7.0", f"too many errors ({error})"))
        self._wire.say(error.reply)
        if not wrong:
            self._desk.refused(str(error), error.reply)

    def _last(self, reply: Reply) -> NoReturn:
        self._wire.say(reply)
        raise _Enough

    def _greet(self) -> None:
        self._wire.say(Reply(220, "2.0.0", f"{self._hostname} ESMTP maildropd"))

    async def _ehlo(self, argument: str) -> None:
        await self._hello(argument, extended=True)
        self._wire.say(
            Reply(250, "2.0.0", self._hostname),
            "PIPELINING",
            f"SIZE {self._desk.size_limit}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            *("DSN", "XKEY", "XVERP", "XSHA256", "XDATA"),
            *(["XCLIENT ADDR PORT DESTADDR DESTPORT"] * self._desk.may_introduce),
            "HELP",
        )

    async def _helo(self, argument: str) -> None:
        await self._hello(argument, extended=False)
        self._wire.say(Reply(250, "2.0.0", self._hostname))

    async def _hello(self, argument: str, *, extended: bool) -> None:
        if not _HELLO.fullmatch(argument):
            raise BadCommand("the name of a host is needed")
        await self._forget()
        self._greeted, self._extended = True, extended

    async def _xclient(self, argument: str) -> None:
        if not self._desk.may_introduce:
            raise MailError("not for you", Reply(550, "5.7.1", "not for you"))
        if self._offer is not None:
            raise OutOfOrder("not within a message")
        self._desk.introduce(introduced(argument))
        await self._forget()
        self._greeted = False
        self._greet()

    async def _mail(self, argument: str) -> None:
        if not self._greeted:
            raise OutOfOrder("say EHLO first")
        if self._offer is not None:
            raise OutOfOrder("one message at a time")
        if self._stopping and self._taken:
            self._last(_STOPPING)
        offer = grammar.mail(argument)
        if offer.size > self._desk.size_limit:
            raise TooLarge(f"more than {self._desk.size_limit} octets")
        await self._desk.offer(offer)
        self._offer = offer
        self._wire.say(Reply(250, "2.1.0", "ok"))

    async def _rcpt(self, argument: str) -> None:
        if self._offer is None:
            raise OutOfOrder("say MAIL first")
        self._named += 1
        named = grammar.rcpt(argument, utf8=self._offer.utf8)
        if self._recipients >= self._desk.recipient_limit:
            words = f"more than {self._desk.recipient_limit} recipients"
            raise TooManyRecipients(words, Reply(452, "4.5.3", words))
        await self._desk.name(named)
        self._recipients, self._chatter = self._recipients + 1, 0
        self._wire.say(Reply(250, "2.1.5", "ok"))

    async def _data(self, argument: str) -> None:
        if argument:
            raise BadCommand("DATA takes no argument")
        if self._offer is None or not self._recipients:
            raise OutOfOrder("say MAIL and RCPT first")
        self._wire.say(Reply(354, "2.0.0", "end with a dot in a line of its own"))
        await self._content(self._offer, Contents())

    async def _xdata(self, argument: str) -> None:
        """Take so many octets for all recipients, or for none."""
        contents = counted(argument, self._desk.size_limit)
        if contents is None:  # who knows where it ends?
            self._last(Reply(552, "5.3.4", f"XDATA is of 0 to {self._desk.size_limit}"))
        if self._offer and 0 < self._recipients == self._named:
            await self._content(self._offer, contents)
            return
        await self._wire.content(pass_over, contents)
        await self._forget()
        raise PermanentError("not all was accepted, so nothing is sent")

    async def _content(self, offer: Offer, contents: Contents | Counted) -> None:
        try:
            reply = await taken(self._wire, self._desk, offer.sha256, contents)
            self._taken, self._chatter = self._taken + 1, 0
        except Unfinished as unfinished:
            self._last(unfinished.reply)
        finally:
            await self._forget()
        self._wire.say(reply)

    async def _rset(self, argument: str) -> None:
        if argument:
            raise BadCommand("RSET takes no argument")
        await self._forget()
        self._wire.say(_OK)

    async def _forget(self) -> None:
        if self._offer is not None:
            self._offer, self._named, self._recipients = None, 0, 0
            await self._desk.reset()

    async def _noop(self, _: str) -> None:
        self._wire.say(_OK)

    async def _quit(self, _: str) -> None:
        self._last(Reply(221, "2.0.0", "bye"))

    async def _help(self, _: str) -> None:
        verbs = " ".join(verb for verb in self._methods if verb != "XCLIENT")
        self._wire.say(Reply(214, "2.0.0", f"{verbs}; see man 8 maildropd"))

    async def _vrfy(self, _: str) -> None:
        self._wire.say(Reply(252, "2.5.0", "send some mail, and it will be tried"))

    async def _unknown(self, _: str) -> None:
        words = "this command is not known here"
        raise MailError(words, Reply(502, "5.5.1", words))
