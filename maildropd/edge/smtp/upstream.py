# SPDX-License-Identifier: Apache-2.0
"""The gateway's own conversation with the daemon, over its socket."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from maildropd.edge.parcel import Parcel
from maildropd.edge.smtp.desk import Client
from maildropd.mail.errors import PermanentError, StoreUnusable, TransientError
from maildropd.mail.reply import Reply

_PATIENCE = 60.0  # seconds for an answer; a commit may take its time
_LINE_LIMIT = 4096
_LINES_LIMIT = 50
_SIZE = re.compile(r"SIZE ([0-9]{1,18})")


class Refused(PermanentError):
    """The daemon said no, for good."""


class PutOff(TransientError):
    """The daemon said no, for now."""


class Upstream:
    """One connection to the daemon, for one client."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take a connection that was just made; see ``open``."""
        self._reader = reader
        self._writer = writer
        self.size_limit = 0  # as the daemon announces it; 0: none
        self._takes_xdata = False

    @classmethod
    async def open(
        cls, path: Path, client: Client | None, commands: Sequence[str] = ()
    ) -> "Upstream":
        """Connect, say for whom, and begin with some commands; raise ``MailError``."""
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=_LINE_LIMIT)
        except OSError as error:
            why = f"maildropd is not there ({error.strerror or error})"
            raise StoreUnusable(why, Reply(451, "4.3.2", why)) from error
        upstream = cls(reader, writer)
        with ExitStack() as undo:
            undo.callback(upstream.close)
            await upstream.hello(client, commands)
            undo.pop_all()
        return upstream

    async def hello(self, client: Client | None, commands: Sequence[str]) -> None:
        """Say for whom we speak, and hear what may be said.

        All in one write: what follows a refused XCLIENT names recipients at most.
        """
        introduction = () if client is None else (_xclient(client),)
        words = (*introduction, "EHLO maildropd-smtp", *commands)
        said = "".join(f"{word}\r\n" for word in words)
        self._writer.write(said.encode("utf-8", "surrogateescape"))
        await self._heard()
        for _ in introduction:
            await self._heard()
        for line in await self._lines():
            if found := _SIZE.match(line):
                self.size_limit = int(found[1])
            self._takes_xdata |= line == "XDATA"
        for _ in commands:
            await self._heard()

    async def ask(self, command: str) -> Reply:
        """Say a command; return a positive reply, or raise what it means."""
        self._writer.write(command.encode("utf-8", "surrogateescape") + b"\r\n")
        return await self._heard()

    async def send(self, parcel: Parcel) -> Reply:
        """Send a message's content; return the last word on it.

        Behind DATA if it can be: that is also for those recipients who are left
        when others were refused.  It cannot end what ends in the middle of a line.
        """
        end = b"".join(parcel.after(max(parcel.size - 2, 0)))
        if self._takes_xdata and end not in (b"", b"\r\n"):
            self._writer.write(b"XDATA %d\r\n" % parcel.size)
            for piece in parcel.after(0):
                self._writer.write(piece)
                await self._drained()
        else:
            await self.ask("DATA")
            await self._dotted(parcel.after(0))
        return await self._heard()

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _dotted(self, pieces: Iterable[bytes]) -> None:
        before = b"\r\n"
        for piece in pieces:
            octets = (before + piece).replace(b"\r\n.", b"\r\n..")[len(before) :]
            # A dot may follow a line's end that came with the piece before.
            self._writer.write(octets)
            before = piece[-2:] if len(piece) > 1 else (before + piece)[-2:]
            await self._drained()
        self._writer.write(b".\r\n")

    async def _drained(self) -> None:
        try:
            await self._writer.drain()
        except OSError as error:
            raise _lost() from error

    async def _heard(self) -> Reply:
        lines = await self._lines()
        return lines.reply

    async def _lines(self) -> "_Lines":
        texts: list[str] = []
        code = 0
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._writer.drain()
                while len(texts) < _LINES_LIMIT:
                    line = (await self._reader.readuntil(b"\r\n")).decode("utf-8")
                    code, text = int(line[:3]), line[4:].strip()
                    texts.append(text)
                    if line[3:4] != "-":
                        break
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            raise _lost() from error
        reply = Reply.parse(code, "\n".join(texts))
        if reply.transient:
            raise PutOff(reply.text, reply)
        if reply.permanent:
            raise Refused(reply.text, reply)
        return _Lines(texts, reply)


class _Lines(list[str]):
    """The lines of a reply, and what it means."""

    def __init__(self, texts: Iterable[str], reply: Reply) -> None:
        super().__init__(texts)
        self.reply = reply


def _xclient(client: Client) -> str:
    return (
        f"XCLIENT ADDR={client.address} PORT={client.port}"
        f" DESTADDR={client.server_address} DESTPORT={client.server_port}"
    )


def _lost() -> StoreUnusable:
    why = "the connection to maildropd was lost"
    return StoreUnusable(why, Reply(451, "4.3.2", why))
