# SPDX-License-Identifier: Apache-2.0
"""How a task of asyncio speaks to the submission socket: others run meanwhile.

A connection belongs to no loop, only to the submission that speaks on it; one
that is cancelled takes its connection along.
"""

import asyncio
import socket

from maildropd.client import dialogue
from maildropd.client.connections import Line, closed_unless_done, lost, pool
from maildropd.client.dialogue import Absent, Lost, Reply
from maildropd.client.values import Door, Submission

_PIECE = 65_536
_PAUSE = 0.02  # seconds, and another may have been let in


async def submitted(
    one: Submission, door: Door, sha256: str, *, fresh: bool
) -> str | None:
    """Return the queue id; raise as the blocking one does."""
    kept = pool(door.run, "asyncio")
    line = None if fresh else kept.take()
    try:
        async with asyncio.timeout(door.timeout) as limit:
            if line is None:
                line = await _opened(door)
                kept.know(line)
            with closed_unless_done(line):
                if dialogue.at_once(one, line.hello):
                    await _say(line, dialogue.whole(one, sha256))
                    number = 1 + len(one.recipients)
                    dialogue.check_envelope(
                        one, [await _reply(line) for _ in range(number)]
                    )
                else:
                    said, number = dialogue.envelope(one, sha256)
                    await _say(line, said)
                    replies = [await _reply(line) for _ in range(number)]
                    dialogue.check(one, replies)
                    limit.reschedule(asyncio.get_running_loop().time() + door.timeout)
                    await _say_content(line, dialogue.content(one))
                found = dialogue.queue_id(await _reply(line))
    except TimeoutError as error:
        raise lost(error) from error
    kept.give_back(line)
    return found


async def _opened(door: Door) -> Line:
    line = Line(await _connected(f"{door.run}/submission"))
    with closed_unless_done(line):
        dialogue.greeting(await _reply(line))
        await _say(line, dialogue.HELLO)
        line.hello = await _reply(line)
        dialogue.hello(line.hello)
    return line


async def _connected(path: str) -> socket.socket:
    """Return a connection; wait while too many want one."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.setblocking(False)
    done = False
    try:
        while not done:
            try:
                connection.connect(path)
                done = True
            except BlockingIOError:
                await asyncio.sleep(_PAUSE)
    except OSError as error:
        raise Absent(f"{path}: {error.strerror or error}") from error
    finally:
        if not done:
            connection.close()
    return connection


async def _say(line: Line, octets: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(line.socket, octets)
    except OSError as error:
        raise lost(error) from error


async def _say_content(line: Line, octets: bytes) -> None:
    """Send it; who refuses it half way has said why before hanging up."""
    try:
        await _say(line, octets)
    except Lost:
        dialogue.queue_id(await _reply(line))
        raise


async def _reply(line: Line) -> Reply:
    while (found := line.replies.next()) is None:
        try:
            octets = await asyncio.get_running_loop().sock_recv(line.socket, _PIECE)
        except OSError as error:
            raise lost(error) from error
        if not octets:
            raise Lost("the daemon has hung up")
        line.replies.feed(octets)
    return found
