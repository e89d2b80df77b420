# SPDX-License-Identifier: Apache-2.0
"""The submission socket, for mail of another system: never the drop in its place.

What was taken is on our disk, and was found to be what was sent: the daemon
compares the SHA-256 before it says yes.
"""

import hashlib
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from maildropd.cli.desk import Failed
from maildropd.client import dialogue
from maildropd.client.dialogue import Again, Lost, Replies, Reply
from maildropd.client.errors import NotAccepted
from maildropd.client.preparing import plain
from maildropd.client.values import Submission
from maildropd.foreign.queued import Queued

_PATIENCE = 120.0  # seconds for an answer; a commit may take its time
_PIECE = 65_536
_UNKNOWN = 555
_TELLS = "maildropd is not running: start it first; nothing was touched"


class SocketDoor:
    """One mail after the other, over one connection until one is refused."""

    _socket: socket.socket
    _replies: Replies
    _refused: bool  # the last mail; what it began is open still

    def __init__(self, path: Path) -> None:
        """Connect; raise ``Failed``."""
        self._path = path
        try:
            self._connect()
        except OSError as error:
            raise Failed(_TELLS, f"{path}: {error.strerror or error}") from error
        except (Again, Lost) as error:
            raise Failed(_TELLS, f"{path}: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def take(self, mail: Queued, key: str, *, hold: bool) -> str:
        """Return the queue id; raise ``NotAccepted``, or ``Failed`` to stop."""
        one = Submission(
            sender=mail.reverse_path and plain(mail.reverse_path),
            recipients=tuple(map(plain, mail.recipients)),
            content=as_sent(mail.content),
            key=key,
            message_id=None,
            verp="",
            notify="",
            ret="",
            envid="",
        )
        try:
            if self._refused:  # it waits for the end of that mail, or of its envelope
                self._socket.close()
                self._connect()
            return self._taken(one, hold=hold)
        except OSError as error:
            raise Failed(f"{self._path}: {error.strerror or error}") from error
        except (Again, Lost) as error:
            raise Failed(f"maildropd takes no mail now: {error}") from error
        except NotAccepted as error:
            self._refused = True
            if error.code == _UNKNOWN:  # of a parameter, which all of them have
                raise Failed(
                    f"maildropd is older than this command: {error}"
                ) from error
            raise

    def _connect(self) -> None:
        self._replies, self._refused = Replies(), False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_PATIENCE)
        with ExitStack() as undo:
            undo.callback(self._socket.close)
            self._socket.connect(str(self._path))
            dialogue.greeting(self._reply())
            self._socket.sendall(dialogue.HELLO)
            dialogue.hello(self._reply())
            undo.pop_all()

    def _taken(self, one: Submission, *, hold: bool) -> str:
        sha256 = hashlib.sha256(one.content).hexdigest()
        commands, replies = dialogue.envelope(one, sha256)
        if hold:
            commands = commands.replace(b"\r\n", b" XHOLD\r\n", 1)
        self._socket.sendall(commands)
        dialogue.check(one, [self._reply() for _ in range(replies)])
        self._socket.sendall(dialogue.content(one))
        return dialogue.queue_id(self._reply()) or ""

    def _reply(self) -> Reply:
        while (found := self._replies.next()) is None:
            octets = self._socket.recv(_PIECE)
            if not octets:
                raise Lost("the daemon has hung up")
            self._replies.feed(octets)
        return found


def as_sent(content: bytes) -> bytes:
    """Return a message as SMTP carries it: each line ends in CR LF, the last too."""
    octets = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    octets = octets.replace(b"\n", b"\r\n")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"
