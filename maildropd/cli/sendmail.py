#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""sendmail for any machine with a Python: it carries, the daemon understands.

Standard input and the arguments go to the daemon's socket as they are, and if
nobody answers there, into the drop directory, under the same key: one mail
comes of both (docs/SUBMISSION.md).  It starts in a moment because it imports
nothing that is not built into the interpreter.
"""

import _socket
import errno
import os
import select
import sys

PATIENCE = 30.0  # seconds for an answer, once all is said
_PIECE = 65536
_LUMP = 262144  # sent at once, however fast the input comes
_ALONE = b"GinmstUvJ"  # may stand before others in one word
_VALUED = b"fFrBCDhLNOopRVX"
_MODES = b"pivdDthHs"
_TEMPFAIL = 75


def main(argv: list[str] | None = None, patience: float = PATIENCE) -> int:
    """Hand over what is on standard input; return the exit code."""
    try:
        _open_missing()
        words = [os.fsencode(word) for word in (sys.argv if argv is None else argv)]
        mode = _mode(words)
        return _smtp() if mode == b"s" else _sent(words, patience, reads=not mode)
    except (MemoryError, OSError) as error:
        return _fail(str(error) or "out of memory", _TEMPFAIL)
    except KeyboardInterrupt:
        return 130  # as a shell calls it


def _sent(words: list[bytes], patience: float, *, reads: bool) -> int:
    carrier = _Carrier(words, patience, reads=reads)
    answer = carrier.over_the_socket()
    if answer is not None:
        code, _, text = answer.partition(b" ")
        _say(2 if int(code) else 1, text)
        return min(int(code), 255)
    drop = os.environ.get("MAILDROP_DROP") or "/var/spool/maildrop/drop"
    try:
        if reads:
            carrier.into_the_drop(drop)
            return 0
    except OSError as error:
        carrier.why += f"; {drop}: {error.strerror}"
    return _fail(f"nobody answers: {carrier.why}, nothing is sent", _TEMPFAIL)


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
            self._add(b"")

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

    def into_the_drop(self, drop: str) -> None:
        """Leave the frame there, on disk; raise ``OSError``."""
        folder = os.open(drop, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
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
        self._forward(connection)
        said, self.why, again = b"", "the socket: no answer", True
        try:
            while piece := connection.recv(_PIECE):
                said += piece
        except OSError as error:
            again = not isinstance(error, TimeoutError)
            self.why += "" if again else " in time"
        connection.close()
        code, space, _ = said[:4].partition(b" ")
        return said if code.isdigit() and space else None, again

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
        self._add(piece)

    def _add(self, piece: bytes) -> None:
        self._frame += b"%d\n" % len(piece) + piece
        self._ended = not piece


def _mode(words: list[bytes]) -> bytes:
    """Return the letter of the mode; empty for one that reads a message."""
    if os.path.basename(words[0] if words else b"") in (b"mailq", b"newaliases"):
        return b"p"
    mode, rest = b"", words[:0:-1]
    while rest and len(word := rest.pop()) > 1 and word[:1] == b"-" != word[1:]:
        word = word[1:].lstrip(_ALONE)
        letter, following = word[:1] or b"-", word[1:2]
        if letter == b"b":
            mode = following if following in _MODES else b""
        elif letter in b"qI":
            mode = letter
        elif rest and not following and letter in _VALUED:
            rest.pop()
    return mode


def _smtp() -> int:
    """Carry octets both ways until the other end closes."""
    connection = _connected("submission", PATIENCE)
    if isinstance(connection, str):
        _say(1, f"421 4.3.2 {connection}\r\n".encode("utf-8", "backslashreplace"))
        return _TEMPFAIL
    connection.setblocking(False)
    held: bytes | None = b""  # to be passed on; None: the input has ended
    there = connection.fileno()
    while True:  # neither way waits for the other
        ends = [there, 0] if held == b"" else [there]
        hears, takes, _ = select.select(ends, [there] if held else [], [])
        if there in hears:
            piece = os.read(there, _PIECE)
            if not piece:
                return 0
            _write_all(1, piece)
        if takes:
            held = _passed_on(connection, held or b"")
        elif 0 in hears:
            held = os.read(0, _PIECE) or None
            if held is None:
                connection.shutdown(_socket.SHUT_WR)


def _passed_on(connection: "_socket.socket", held: bytes) -> bytes:
    """Return what is left; nobody may hear any more, but have a last word to say."""
    try:
        return held[connection.send(held) :]
    except OSError:
        return b""


def _connected(name: str, patience: float) -> "_socket.socket | str":
    """Return a connection, or why there is none; wait while too many want one."""
    path = f"{os.environ.get('MAILDROP_RUN') or '/run/maildrop'}/{name}"
    try:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        connection.settimeout(patience)
        while (no := connection.connect_ex(path)) == errno.EAGAIN and patience > 0:
            patience -= 0.02  # seconds, and another may have been let in
            select.select([], [], [], 0.02)
    except OSError as error:
        return f"{path}: {error.strerror or error}"
    return f"{path}: {os.strerror(no)}" if no else connection


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
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            select.select([], [fd], [])


def _open_missing() -> None:
    """Let no file or socket become standard input, output or error by chance."""
    try:
        while os.open(os.devnull, os.O_RDWR) <= 2:
            pass
    except OSError:
        return  # a place without it


if __name__ == "__main__":
    sys.exit(main())
