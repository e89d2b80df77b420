# SPDX-License-Identifier: Apache-2.0
"""How a thread speaks to the submission socket: it waits for each reply."""

import socket
import struct

from maildropd.client import dialogue
from maildropd.client.connections import Line, closed_unless_done, lost, pool
from maildropd.client.dialogue import Absent, Lost, Reply
from maildropd.client.values import Door, Submission

_PIECE = 65_536


def submitted(one: Submission, door: Door, sha256: str, *, fresh: bool) -> str | None:
    """Return the queue id; raise ``Absent``, ``Again``, ``Lost``, ``NotAccepted``.

    A connection that was kept may be used, unless it has to be a fresh one.
    """
    kept = pool(door.run, "")
    line = None if fresh else kept.take()
    if line is None:
        line = _opened(door)
        kept.know(line)
    with closed_unless_done(line):
        if dialogue.at_once(one, line.hello):
            _say(line, dialogue.whole(one, sha256))
            dialogue.check_envelope(
                one, [_reply(line) for _ in range(1 + len(one.recipients))]
            )
        else:
            commands, number = dialogue.envelope(one, sha256)
            _say(line, commands)
            dialogue.check(one, [_reply(line) for _ in range(number)])
            _say_content(line, dialogue.content(one))
        found = dialogue.queue_id(_reply(line))
    kept.give_back(line)
    return found


def _opened(door: Door) -> Line:
    line = Line(_connected(f"{door.run}/submission", door.timeout))
    with closed_unless_done(line):
        dialogue.greeting(_reply(line))
        _say(line, dialogue.HELLO)
        line.hello = _reply(line)
        dialogue.hello(line.hello)
    return line


def _connected(path: str, timeout: float) -> socket.socket:
    """Return a connection; wait while too many want one."""
    seconds = int(timeout)
    limit = struct.pack("ll", seconds, int((timeout - seconds) * 1_000_000))
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Not settimeout: it costs another system call for each that waits.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise Absent(f"{path}: {error.strerror or error}") from error
    return connection


def _say(line: Line, octets: bytes) -> None:
    try:
        line.socket.sendall(octets)
    except OSError as error:
        raise lost(error) from error


def _say_content(line: Line, octets: bytes) -> None:
    """Send it; who refuses it half way has said why before hanging up."""
    try:
        _say(line, octets)
    except Lost:
        dialogue.queue_id(_reply(line))
        raise


def _reply(line: Line) -> Reply:
    while (found := line.replies.next()) is None:
        try:
            octets = line.socket.recv(_PIECE)
        except OSError as error:
            raise lost(error) from error
        if not octets:
            raise Lost("the daemon has hung up")
        line.replies.feed(octets)
    return found
