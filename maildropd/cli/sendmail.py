#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""sendmail for any machine with a Python: it carries, the daemon understands.

Standard input and the arguments go to the daemon's socket as they are, and if
nobody answers there, into the drop directory, under the same key: one mail
comes of both (docs/SUBMISSION.md).  It starts in a moment because it imports
nothing that is not built into the interpreter.
"""

import _socket
import os
import select
import sys

PATIENCE = 30.0  # seconds for an answer, once all is said
_PIECE = 65536
_LUMP = 262144  # sent at once, however fast the input comes
_VALUED = b"fFrBCDhLNOopRVX"
_MODES = b"pivdDthHs"
_RUN = ("MAILDROP_RUN", "/run/maildrop")
_DROP = ("MAILDROP_DROP", "/var/spool/maildrop/drop")
_TEMPFAIL = 75


def main(argv: list[str] | None = None, patience: float = PATIENCE) -> int:
    """Hand over what is on standard input; return the exit code."""
    _open_missing()
    words = [os.fsencode(word) for word in (sys.argv if argv is None else argv)]
    mode = _mode(words)
    if mode == b"s":
        return _smtp()
    carrier = _Carrier(words, patience, reads=not mode)
    try:
        answer = carrier.over_the_socket()
        if answer is not None:
            return _tell(answer)
        if mode:
            return _fail(f"nobody answers ({carrier.why})", _TEMPFAIL)
        carrier.into_the_drop()
    except OSError as error:
        why = f"{carrier.why}; {_place(*_DROP)}: {error.strerror}"
        return _fail(f"nobody answers ({why}), nothing is sent", _TEMPFAIL)
    return 0


class _Carrier:
    """One frame, as much of it as has come, and the ways to get it across."""

    def __init__(self, words: list[bytes], patience: float, *, reads: bool) -> None:
        self._key = os.urandom(16).hex()
        parts = [b"#!sendmail", self._key.encode(), b"%d" % len(words), *words, b""]
        self._frame = bytearray(b"\0".join(parts))
        self._patience = patience
        self._ended = False  # the input has, and the frame with it
        self.why = ""
        if not reads:
            self._end()

    def over_the_socket(self) -> bytes | None:
        """Return the daemon's answer; None if there is none, and all input is here.

        A daemon that hangs up is about to be back: it is asked once more.
        """
        for _ in range(2):
            answer, again = self._asked()
            while answer is None and not self._ended:
                self._read()
            if answer is not None or not again:
                return answer
        return None

    def into_the_drop(self) -> None:
        """Leave the frame there, on disk; raise ``OSError``."""
        folder = os.open(_place(*_DROP), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        name = f".{self._key}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(name, flags, 0o640, dir_fd=folder)
        try:
            os.fchmod(file, 0o640)
            _write_all(file, self._frame)
            os.fsync(file)
            os.rename(name, self._key, src_dir_fd=folder, dst_dir_fd=folder)
            name = self._key
            os.fsync(file)  # takes the new name along
        except OSError:
            os.unlink(name, dir_fd=folder)
            raise

    def _asked(self) -> tuple[bytes | None, bool]:
        """Return the answer, and whether asking again may help if there is none."""
        connection = _connected("sendmail", self._patience)
        if isinstance(connection, str):
            self.why = connection
            return None, False
        try:
            self._forward(connection)
            said = _heard(connection)
        except TimeoutError:
            self.why = f"the socket: no answer within {self._patience:g} s"
            return None, False
        finally:
            connection.close()
        if said[:3].partition(b" ")[0].isdigit() and b" " in said[:4]:
            return said, False
        self.why = "the socket: no answer"
        return None, True

    def _forward(self, connection: "_socket.socket") -> None:
        """Send the frame while it grows, until it ends or an answer comes."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(connection.fileno(), select.POLLIN)
        sent = 0
        try:
            while sent < len(self._frame) or not self._ended:
                waiting = len(self._frame) - sent
                ready = {fd for fd, _ in poll.poll(0 if waiting else None)}
                if connection.fileno() in ready:
                    return
                if 0 in ready and not self._ended and waiting <= _LUMP:
                    self._read()
                else:
                    connection.sendall(self._frame[sent:])
                    sent += waiting
            connection.shutdown(_socket.SHUT_WR)
        except OSError:  # also of a time limit: it may have answered all the same
            return

    def _read(self) -> None:
        """Add a piece of the input to the frame, or its end; wait for either."""
        try:
            piece = os.read(0, _PIECE)
        except BlockingIOError:
            select.select([0], [], [])
            return
        except OSError as error:
            why = f"cannot read standard input: {error.strerror}, nothing is sent"
            raise SystemExit(_fail(why, 66)) from error
        if not piece:
            self._end()
        else:
            self._frame += b"%d\n" % len(piece) + piece

    def _end(self) -> None:
        self._frame += b"0\n"
        self._ended = True


def _mode(words: list[bytes]) -> bytes:
    """Return the letter of the mode; empty for one that reads a message."""
    if os.path.basename(words[0] if words else b"") in (b"mailq", b"newaliases"):
        return b"p"
    mode, is_value = b"", False
    for word in words[1:]:
        if is_value:
            is_value = False
        elif word == b"--":
            break
        elif word[:2] == b"-b":
            mode = word[2:3] if word[2:3] in _MODES else b""
        elif word[:2] in (b"-q", b"-I"):
            mode = word[1:2]
        else:
            is_value = len(word) == 2 and word[:1] == b"-" and word[1] in _VALUED
    return mode


def _smtp() -> int:
    """Carry octets both ways until both ends have closed."""
    connection = _connected("submission", PATIENCE)
    if isinstance(connection, str):
        _say(1, f"421 4.3.2 {connection}\r\n".encode())
        return _TEMPFAIL
    connection.settimeout(None)
    ends = [0, connection.fileno()]
    while True:
        ready = select.select(ends, [], [])[0]
        piece = os.read(ready[0], _PIECE)
        if ready[0]:
            _say(1, piece)
        elif piece:
            connection.sendall(piece)
        if not piece:
            ends.remove(ready[0])
            connection.shutdown(_socket.SHUT_WR)
            if ready[0]:
                return 0


def _connected(name: str, patience: float) -> "_socket.socket | str":
    """Return a connection, or why there is none."""
    path = f"{_place(*_RUN)}/{name}"
    try:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.settimeout(patience)
        connection.connect(path)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return connection


def _heard(connection: "_socket.socket") -> bytes:
    """Return all that is said; raise ``TimeoutError``."""
    said = b""
    try:
        while piece := connection.recv(_PIECE):
            said += piece
    except ConnectionError:
        return said  # it counts if it is whole
    return said


def _tell(answer: bytes) -> int:
    code, _, text = answer.partition(b" ")
    _say(2 if int(code) else 1, text)
    return min(int(code), 255)


def _fail(why: str, code: int) -> int:
    _say(2, f"sendmail: {why}\n".encode("utf-8", "backslashreplace"))
    return code


def _say(fd: int, octets: bytes) -> None:
    try:
        _write_all(fd, octets)
    except OSError:
        return  # nobody listens


def _write_all(fd: int, octets: bytes | bytearray) -> None:
    rest = memoryview(octets)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _place(variable: str, usual: str) -> str:
    return os.environ.get(variable) or usual


def _open_missing() -> None:
    """Let no file or socket become standard input, output or error by chance."""
    while (fd := os.open("/dev/null", os.O_RDWR)) <= 2:
        pass
    os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
