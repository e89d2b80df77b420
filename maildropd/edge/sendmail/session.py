# SPDX-License-Identifier: Apache-2.0
"""One client of sendmail: its frame comes in, an exit code and words go back."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

from maildropd.edge.entry import Entry
from maildropd.edge.parcel import Allowance, Holding, Parcel
from maildropd.edge.sendmail.arguments import Invocation, Mode, Usage, parse
from maildropd.edge.sendmail.clerk import Answer, Clerk
from maildropd.edge.sendmail.frame import Frame, LoneDot
from maildropd.edge.sendmail.handover import draft, exit_code
from maildropd.host.peer import Peer
from maildropd.mail.envelope import Submitter
from maildropd.mail.errors import MailError
from maildropd.mail.event import Journal
from maildropd.mail.submission_events import SubmissionRefused

_PIECE = 256 * 1024
_LINGER = 5.0  # seconds for a client to hear our words and stop


class _Gone(Exception):
    """The client is no more; there was no message."""


class Session:
    """One connection; ``run`` it once."""

    def __init__(
        self, connection: socket.socket, who: tuple[Peer, Submitter], idle: float
    ) -> None:
        """Serve somebody, and wait for him so many seconds at a time."""
        self._connection = connection
        self._peer, self._submitter = who
        self._idle = idle
        self._loop = asyncio.get_running_loop()

    async def run(self, clerk: Clerk, allowance: Allowance, journal: Journal) -> None:
        """Hear the frame, do what it says, and answer."""
        with self._connection, suppress(_Gone, OSError, TimeoutError):
            entry = clerk.entry()
            self._submitter = entry.gate.known(self._submitter)
            try:
                answers = await self._done(clerk, allowance, entry)
            except Usage as usage:
                answers = _one(os.EX_USAGE, f"sendmail: {usage}\n")
            except MailError as error:
                journal.emit(_refused(self._submitter, error))
                answers = _one(exit_code(error), f"sendmail: {error}\n")
            except asyncio.CancelledError:
                return  # no answer is an answer: the client knows what to do
            await self._say(answers)

    async def _done(
        self, clerk: Clerk, allowance: Allowance, entry: Entry
    ) -> AsyncIterator[Answer]:
        frame, held = Frame(), Holding(allowance)
        try:
            first = await self._head(frame, held)
            found = parse(frame.words or ())
            if found.mode is not Mode.DELIVER:
                answers = clerk.answer(found, self._peer, self._submitter)
                return _in_a_thread(answers)
            parcel = Parcel(allowance, entry.gate.size_limit(self._submitter))
            try:
                await self._content(frame, first, parcel, LoneDot(ends=found.dot_ends))
                return await self._stored(found, frame.key, parcel, entry)
            finally:
                parcel.close()
        finally:
            held.let_go()

    async def _head(self, frame: Frame, held: Holding) -> bytes:
        """Hear the arguments; return what of the message came with them.

        They have the time that a piece of the message has: a client knows them
        all when it begins.
        """
        content = b""
        async with asyncio.timeout(self._idle):
            while frame.words is None:
                octets = await self._heard()
                held.take(len(octets))
                content = frame.feed(octets)
        return content

    async def _content(
        self, frame: Frame, first: bytes, parcel: Parcel, dot: LoneDot
    ) -> None:
        content = dot.feed(first)
        if content:
            parcel.write(content)
        while not (frame.ended or dot.ended):
            content = dot.feed(frame.feed(await self._heard()))
            if content:
                parcel.write(content)

    async def _stored(
        self, found: Invocation, key: str, parcel: Parcel, entry: Entry
    ) -> AsyncIterator[Answer]:
        small = parcel.is_small
        stored = await entry.store(
            lambda: draft(found, parcel, entry.gate, self._submitter),
            self._submitter,
            key,
            small=small,
        )
        text = f"queued as {stored.queue_id}\n" if found.verbose else ""
        return _one(os.EX_OK, text)

    async def _heard(self) -> bytes:
        async with asyncio.timeout(self._idle):
            octets = await self._loop.sock_recv(self._connection, _PIECE)
        if not octets:
            raise _Gone
        return octets

    async def _say(self, answers: AsyncIterator[Answer]) -> None:
        """Answer, and wait for the client to hear it: what it still says is vain."""
        said = False
        async for answer in answers:
            text = answer.text if said else f"{answer.code} {answer.text}"
            said = True
            async with asyncio.timeout(self._idle):
                octets = text.encode("utf-8", "backslashreplace")
                await self._loop.sock_sendall(self._connection, octets)
        self._connection.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(_LINGER):
            while await self._loop.sock_recv(self._connection, _PIECE):
                pass


async def _one(code: int, text: str = "") -> AsyncIterator[Answer]:
    yield Answer(code=code, text=text)


async def _in_a_thread(answers: Iterator[Answer]) -> AsyncIterator[Answer]:
    """Yield what takes a look at the disk, piece by piece."""
    while (answer := await asyncio.to_thread(next, answers, None)) is not None:
        yield answer


def refuse(why: str) -> bytes:
    """Return the answer to one who is not served."""
    return f"{os.EX_TEMPFAIL} {why}\n".encode()


def _refused(who: Submitter, error: MailError) -> SubmissionRefused:
    return SubmissionRefused(
        submitter=who.name,
        submitter_uid=who.uid,
        submitter_unit=who.unit,
        submitter_client=who.client,
        sender="",
        reason=str(error),
        reply=error.reply,
    )
