# SPDX-License-Identifier: Apache-2.0
"""The mails of the benchmark: 2 KB each and one recipient, if nothing else is said."""

import os
from pathlib import Path

SENDER = "app@bench.example.org"
SIZE = 2048


def recipient(number: int) -> str:
    """Return whom a mail is for."""
    return f"user{number}@example.net"


def message(number: int, size: int = SIZE) -> bytes:
    """Return a mail of 2 KB, or another size."""
    head = (
        f"From: {SENDER}\nTo: {recipient(number)}\nSubject: mail {number}\n"
        f"Message-ID: <{number}@bench.example.org>\n\n"
    ).encode()
    line = b"The quick brown fox jumps over the lazy dog, once and again. %d\n"
    body = (line % number) * (size // len(line))
    return head + body[: size - len(head) - 1] + b"\n"


def dropped(number: int, size: int = SIZE) -> bytes:
    """Return the same as a file in MaildropHost's form."""
    envelope = f"##To:{recipient(number)}\n##From:{SENDER}\n"
    return envelope.encode() + message(number, size)


def fill_drop(drop: Path, count: int, size: int = SIZE) -> None:
    """Leave mails in a drop, and have them on disk."""
    drop.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (drop / f"mail{number:07}").write_bytes(dropped(number, size))
    os.sync()


def put(drop: Path, number: int) -> None:
    """Write a mail aside and sync it; ``show`` makes it a dropped one."""
    descriptor = os.open(drop / f".{number}", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, dropped(number))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def show(drop: Path, number: int) -> None:
    """Give a mail its name."""
    (drop / f".{number}").rename(drop / f"single{number}")
