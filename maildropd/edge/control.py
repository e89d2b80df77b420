# SPDX-License-Identifier: Apache-2.0
"""The control socket: operators ask, one JSON object a line, and are answered.

Only root and the daemon's own user are heard.  Whatever else comes in, the
daemon goes on: requests are bounded in size, number and time.  Out of file
descriptors it still says that much.
"""

import asyncio
import errno
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from maildropd.host import sockets
from maildropd.host.descriptors import Spare
from maildropd.host.peer import Peer
from maildropd.mail.errors import MailError
from maildropd.queue.operator import NotDone, Operator
from maildropd.queue.requests import answer

_LONGEST = 64 * 1024  # octets of a request
_CONNECTIONS = 16
_SOON = 1.0  # seconds
_EXHAUSTED = "maildropd has no file descriptors left (raise LimitNOFILE=)"
_IDLE = 30  # seconds for a request to come, or for an answer to be taken


class Hooks(Protocol):
    """What only the service itself can answer; called in any thread."""

    def reload(self) -> list[str]:
        """Take on the configuration; return what is wrong with it."""
        ...

    def status(self) -> dict[str, object]:
        """Say how things stand."""
        ...


class Control:
    """Listens at a path in the daemon's runtime directory."""

    def __init__(
        self, path: Path, operator: Operator, hooks: Hooks, spare: Spare
    ) -> None:
        """Take what answers; nobody is heard before ``start``."""
        self._path = path
        self._operator = operator
        self._hooks = hooks
        self._spare = spare
        self._listener: socket.socket | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; a socket left by a former run is replaced."""
        os.makedirs(self._path.parent, mode=0o700, exist_ok=True)
        self._listener = sockets.listen(self._path)
        self._listen()

    async def close(self) -> None:
        """Stop listening, and break off what is still being answered."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        asyncio.get_running_loop().remove_reader(listener)
        listener.close()
        self._spare.give_up()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def _listen(self) -> None:
        if self._listener is not None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._listener, self._accept, self._listener)

    def _accept(self, listener: socket.socket) -> None:
        # Not asyncio's server: out of descriptors it hangs up without a word.
        try:
            connection, _ = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:
            self._turn_away(listener)
            return
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    def _turn_away(self, listener: socket.socket) -> None:
        """Answer with the descriptors that were spared for this."""
        self._spare.give_up()
        try:
            connection, _ = listener.accept()
            with connection:
                connection.send(_encoded(_refusal(_EXHAUSTED)))
        except OSError:  # somebody else of us was faster; the next try is soon
            loop = asyncio.get_running_loop()
            loop.remove_reader(listener)
            loop.call_later(_SOON, self._listen)
        self._spare.take()

    async def _serve(self, connection: socket.socket) -> None:
        try:
            reader, writer = await asyncio.open_connection(
                sock=connection, limit=_LONGEST
            )
        except (OSError, asyncio.CancelledError):
            connection.close()
            return
        try:
            await self._session(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the peer has gone, or sleeps, or we stop: nobody waits for words
        finally:
            writer.close()

    async def _session(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        connection: socket.socket = writer.get_extra_info("socket")
        peer = Peer.of(connection)
        if not peer.may_operate:
            await _say(writer, _refusal("this is for root and the daemon's own user"))
        elif len(self._sessions) > _CONNECTIONS:
            await _say(writer, _refusal("too many connections, try again later"))
        else:
            await self._converse(reader, writer, str(peer))

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, who: str
    ) -> None:
        try:
            while (request := await _heard(reader)) is not None:
                await _say(writer, await self._answer(request, who))
        except _Garbage:
            await _say(writer, _refusal("not a request: one JSON object a line"))

    async def _answer(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        """Work in a thread: the store reads from disk, and the loop must not wait."""
        try:
            return {"ok": True, **await asyncio.to_thread(self._do, request, who)}
        except Refused as refused:
            return {**_refusal("the configuration is refused"), "errors": refused.lines}
        except (NotDone, MailError) as error:
            return _refusal(str(error))
        except OSError as error:
            short = error.errno in (errno.EMFILE, errno.ENFILE)
            return _refusal(_EXHAUSTED if short else str(error))

    def _do(self, request: Mapping[str, Any], who: str) -> dict[str, Any]:
        match request:
            case {"command": "reload"}:
                if errors := self._hooks.reload():
                    raise Refused(errors)
                return {}
            case {"command": "status"}:
                return self._hooks.status()
            case _:
                return answer(self._operator, request, who)


class Refused(Exception):
    """The configuration was not taken on."""

    def __init__(self, lines: list[str]) -> None:
        """Take what is wrong with it."""
        super().__init__("\n".join(lines))
        self.lines = lines


class _Garbage(Exception):
    """What came is no request; where the next begins, nobody knows."""


async def _heard(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """Return the next request; None at the end."""
    try:
        async with asyncio.timeout(_IDLE):
            line = await reader.readline()
        if not line:
            return None
        request = json.loads(line)
    except (ValueError, RecursionError) as error:  # also longer than the limit
        raise _Garbage from error
    if not isinstance(request, dict):
        raise _Garbage
    return request


async def _say(writer: asyncio.StreamWriter, words: Mapping[str, Any]) -> None:
    writer.write(_encoded(words))
    async with asyncio.timeout(_IDLE):
        await writer.drain()


def _encoded(words: Mapping[str, Any]) -> bytes:
    return json.dumps(words).encode("ascii") + b"\n"


def _refusal(why: str) -> dict[str, Any]:
    return {"ok": False, "error": why}
