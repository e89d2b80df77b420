# SPDX-License-Identifier: Apache-2.0
"""Lines and contents from a client, and replies to it, in bounded memory.

Only CR LF ends a line, and only CR LF . CR LF ends a message: who takes less
for an end lets others smuggle mail in.  Replies are gathered until the client
has to be waited for, so that pipelined commands share one write.
"""

import asyncio
import math
import socket
from collections.abc import Callable
from typing import cast

from maildropd.edge.smtp.contents import Contents, Counted
from maildropd.edge.smtp.ends import Gone, Overdue
from maildropd.edge.smtp.grammar import BadLine
from maildropd.edge.smtp.replies import octets
from maildropd.mail.reply import Reply

Take = Callable[[bytes], None]
_LINE_LIMIT = 4096  # octets of a command: RFC 3461 and 6531 add to the 512 of old
_DISCARD_LIMIT = 4 * 1024 * 1024
_HIGH, _OWED = 64 * 1024, 200  # octets not read yet; replies for one write
_SILENT = Reply(421, "4.4.2", "silent for too long")
_LINGER = 5.0  # seconds for a client to stop sending


class Wire(asyncio.Protocol):
    """One connection; used by one session."""

    def __init__(self, idle: float) -> None:
        """Wait for the client so many seconds at a time."""
        self._idle = idle
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._paused = False
        self._ended = False  # the client says no more, and may still listen
        self._broken = False
        self._wake: asyncio.Future[None] | None = None
        self._full: asyncio.Future[None] | None = None  # the client does not read
        self._replies: list[bytes] = []
        self._until = self._loop.time() + idle
        self._hurried = False  # the wait for a command ends soon, with a word
        self._is_whole = False  # a message is here, and the last word on it is not
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _HIGH // 2)
        self._timer = self._loop.call_later(self._idle, self._look_at_watch)
        self._connected.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take octets."""
        self._buffer += data
        if len(self._buffer) > _HIGH and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()
        self._stir()

    def eof_received(self) -> bool:
        """Go on answering what has come until here."""
        self._ended = True
        self._stir()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        del exc
        self._ended = self._broken = True
        if self._timer:
            self._timer.cancel()
        self._stir()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Wait before the next reply."""
        self._full = self._loop.create_future()

    def resume_writing(self) -> None:
        """Go on."""
        full, self._full = self._full, None
        if full and not full.done():
            full.set_result(None)

    async def connected(self) -> socket.socket:
        """Wait for the beginning; return the connection, to be asked about."""
        await self._connected
        assert self._transport is not None
        return cast(socket.socket, self._transport.get_extra_info("socket"))

    @property
    def silent_since(self) -> float:
        """By the loop's clock, since when; never, while a message is being stored."""
        return math.inf if self._is_whole else self._until - self._idle

    def say(self, reply: Reply, *more: str) -> None:
        """Reply; with more lines, the reply's text is the first."""
        self._replies.append(octets(reply, *more))

    async def flush(self) -> None:
        """Send what was said; raise ``Gone`` if nobody takes it."""
        if self._replies and self._transport and not self._broken:
            self._transport.write(b"".join(self._replies))
            self._replies.clear()
        if self._full:
            self._until = self._loop.time() + self._idle
            await self._full
        if self._broken:
            raise Gone

    def hurry(self, seconds: float) -> None:
        """Wait no longer than this for the next command."""
        self._hurried = True
        self._idle = seconds
        self._until = min(self._until, self._loop.time() + seconds)
        if self._timer:
            self._timer.cancel()
            self._look_at_watch()

    async def line(self) -> bytes | None:
        """Return the next command without its end; None at the end of all.

        Raise ``BadLine`` once a line that is none is over.
        """
        if len(self._replies) > _OWED:  # the client may not hear any of them
            await self.flush()
            await asyncio.sleep(0)  # others have their turn
        self._until = self._loop.time() + self._idle
        self._is_whole, seen = False, 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            if seen > _LINE_LIMIT:
                await self._skip_line()
                raise BadLine(f"a line is longer than {_LINE_LIMIT} octets")
            if self._ended:
                return None
            await self._more()
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        if len(line) > _LINE_LIMIT:
            raise BadLine(f"a line is longer than {_LINE_LIMIT} octets")
        if not line.endswith(b"\r\n") or b"\r" in line[:-2] or b"\0" in line:
            raise BadLine("a command ends in CR LF, and has no CR, LF or NUL within")
        return line[:-2]

    async def content(self, take: Take, contents: Contents | Counted) -> None:
        """Pass a message on, to its end.

        Raise ``Gone`` if it has none; what ``take`` raises passes through.
        """
        while True:
            if piece := contents.feed(self._taken()):
                take(piece)
            if contents.rest is not None:
                self._buffer[:0] = contents.rest
                self._is_whole = True
                return
            if self._ended:
                raise Gone
            self._until = self._loop.time() + self._idle
            await self._more()

    async def hang_up(self) -> None:
        """Close; what is said is heard, if the client does not go on for ever."""
        if self._transport is None or self._broken:
            return
        try:
            await self.flush()
            if self._transport.can_write_eof():
                self._transport.write_eof()
            async with asyncio.timeout(min(_LINGER, self._idle)):
                await self._let_run_out()
        except (Gone, TimeoutError, OSError):
            pass  # nobody listens any more
        finally:
            self._transport.close()

    def dismiss(self, reply: Reply) -> None:
        """Break off, with a last word if the client hears what was said before."""
        if self._transport and not self._transport.get_write_buffer_size():
            self._transport.write(octets(reply))
            self._transport.close()  # from here on only what is unheard is lost
        self.abort()
        self._broken = True

    def abort(self) -> None:
        """Break off."""
        if self._transport:
            self._transport.abort()

    async def _more(self) -> None:
        """Wait for octets or the end; what was said goes out first."""
        await self.flush()
        self._resume()
        if self._ended:
            return
        self._wake = self._loop.create_future()
        try:
            await self._wake
        finally:
            self._wake = None

    def _taken(self) -> bytes:
        taken, self._buffer = bytes(self._buffer), bytearray()
        self._resume()
        return taken

    def _resume(self) -> None:
        if self._paused and self._transport and len(self._buffer) <= _HIGH:
            self._paused = False
            self._transport.resume_reading()

    async def _skip_line(self) -> None:
        skipped = 0
        while (end := self._buffer.find(b"\n")) < 0:
            skipped += len(self._taken())
            if self._ended or skipped > _DISCARD_LIMIT:
                raise Gone
            await self._more()
        del self._buffer[: end + 1]

    async def _let_run_out(self) -> None:
        while not self._ended:
            self._taken()
            await self._more()

    def _stir(self) -> None:
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    def _look_at_watch(self) -> None:
        """Break off when the time is over; else look again when it may be."""
        left = self._until - self._loop.time()
        waits = self._wake is not None or self._full is not None
        if left <= 0 and self._hurried and self._wake is not None:
            if not self._wake.done():
                self._wake.set_exception(Overdue())
            return
        if left <= 0 and waits:
            self.dismiss(_SILENT)
            return
        least = 0.01 if self._hurried else 1.0
        self._timer = self._loop.call_later(max(left, least), self._look_at_watch)
