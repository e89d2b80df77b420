# SPDX-License-Identifier: Apache-2.0
"""The control socket: operators ask, one JSON object a line, and are answered.

Only root and the daemon's own user are heard.  Whatever else comes in, the
daemon goes on: requests are bounded in size, number and time.
"""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from maildropd.host import sockets
from maildropd.host.peer import Peer
from maildropd.mail.errors import MailError
from maildropd.queue.operator import NotDone, Operator
from maildropd.queue.requests import answer

_LONGEST = 64 * 1024  # octets of a request
_CONNECTIONS = 16
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

    def __init__(self, path: Path, operator: Operator, hooks: Hooks) -> None:
        """Take what answers; nothing is opened before ``start``."""
        self._path = path
        self._operator = operator
        self._hooks = hooks
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; a socket left by a former run is replaced."""
        os.makedirs(self._path.parent, mode=0o700, exist_ok=True)
        # Not start_unix_server: Python 3.13's would look for the path it had.
        self._server = await asyncio.start_server(
            self._serve, sock=sockets.listen(self._path), limit=_LONGEST
        )

    async def close(self) -> None:
        """Stop listening, and break off what is still being answered."""
        if self._server is None:
            return
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        self._server = None

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        try:
            await self._session(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the peer has gone, or sleeps, or we stop: nobody waits for words
        finally:
            self._sessions.discard(task)
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
    writer.write(json.dumps(words).encode("ascii") + b"\n")
    async with asyncio.timeout(_IDLE):
        await writer.drain()


def _refusal(why: str) -> dict[str, Any]:
    return {"ok": False, "error": why}
