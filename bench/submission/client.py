# SPDX-License-Identifier: Apache-2.0
"""One running program that hands over many mails, and prints how many a second.

What an application does that does not start sendmail for each: it keeps a
connection to the SMTP socket, or makes one to sendmail's socket for each mail.
"""

import os
import smtplib
import socket
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import mails

_TO = mails.recipient(0)


def main() -> int:
    """Run one way to hand over: its name, the sockets' folder, how many mails."""
    name, folder, mails_in_all = sys.argv[1:]
    way, threads = WAYS[name]
    count = int(mails_in_all) // threads
    begin = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(way, Path(folder), count) for _ in range(threads)]:
            done.result()
    print(count * threads / (time.monotonic() - begin))
    return 0


def by_smtplib(folder: Path, count: int) -> None:
    """Say what smtplib says, on a connection that is kept."""
    client = smtplib.SMTP()
    client.sock = _connected(folder / "submission")
    client.getreply()
    for number in range(count):
        client.sendmail(mails.SENDER, [_TO], mails.message(number))
    client.quit()


def pipelined(folder: Path, count: int) -> None:
    """Say MAIL, RCPT and DATA in one, and the next ones behind each final dot."""
    with _connected(folder / "submission") as connection:
        answers = connection.makefile("rb")
        _answer(answers.readline)
        connection.sendall(b"EHLO client\r\n")
        _answer(answers.readline)
        begin = f"MAIL FROM:<{mails.SENDER}>\r\nRCPT TO:<{_TO}>\r\nDATA\r\n".encode()
        connection.sendall(begin)
        for number in range(count):
            for _ in range(3):
                _answer(answers.readline)
            content = mails.message(number).replace(b"\n", b"\r\n") + b".\r\n"
            connection.sendall(content + (begin if number < count - 1 else b"QUIT\r\n"))
            _answer(answers.readline)


def by_frames(folder: Path, count: int) -> None:
    """Call sendmail's socket for each mail."""
    head = b"\0".join([b"3", b"sendmail", b"-i", _TO.encode(), b""])
    for number in range(count):
        content = mails.message(number)
        key = os.urandom(16).hex().encode()
        with _connected(folder / "sendmail") as connection:
            frame = b"#!sendmail\0" + key + b"\0" + head
            frame += b"%d\n" % len(content) + content + b"0\n"
            connection.sendall(frame)
            connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert answer.startswith(b"0 "), answer


WAYS: Mapping[str, tuple[Callable[[Path, int], None], int]] = {  # and threads
    "smtplib, a connection": (by_smtplib, 1),
    "pipelined, a connection": (pipelined, 1),
    "pipelined, 8 connections": (pipelined, 8),
    "to sendmail's socket": (by_frames, 1),
    "the same, 8 threads": (by_frames, 8),
}


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(str(path))
    return connection


def _answer(readline: Callable[[], bytes]) -> None:
    while (line := readline())[3:4] == b"-":
        pass
    assert line[:1] in b"23", line


if __name__ == "__main__":
    sys.exit(main())
