# SPDX-License-Identifier: Apache-2.0
"""Mail in MaildropHost's spool: ``##To:`` and ``##From:``, then the message.

What is written is on disk before its lock goes.  A mail that is locked belongs
to whoever wrote it, and a lock that outlives its writer holds it for good.
"""

import os
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from maildropd.host.durable import sync_directory
from maildropd.mail.errors import Malformed

LOCK = ".lck"
MODE = 0o640

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FIRST, _LAST = 100_000, 9_999_999  # the names that MaildropHost draws
_DRAWS = 1000


def formed(
    sender: str | None, recipients: str | Iterable[str], message: bytes
) -> bytes:
    """Return a mail in this form; the message is in it octet by octet.

    Line ends in addresses are left out, so that none can say more than its
    own.  Raise ``Malformed`` for a message that would not come out again.
    """
    if message.startswith(b"##"):
        raise Malformed("its first line begins with ## (put another field first)")
    if not message.strip():
        raise Malformed("there is no message")
    to = recipients if isinstance(recipients, str) else ",".join(recipients)
    return b"##To:%s\n##From:%s\n%s" % (_line(to), _line(sender or ""), message)


class Left:
    """A mail in the spool that is locked, and so nobody's yet."""

    def __init__(self, path: Path) -> None:
        """Take the place of one that was left."""
        self.path = path

    @property
    def lock(self) -> Path:
        """The file that holds it."""
        return lock_of(self.path)

    def release(self) -> None:
        """Let it leave; again does nothing."""
        with suppress(FileNotFoundError):
            os.unlink(self.lock)
        sync_directory(self.path.parent)

    def remove(self) -> None:
        """Take it back: the mail first, so that nobody finds it without a lock."""
        for each in (self.path, self.lock):
            with suppress(FileNotFoundError):
                os.unlink(each)


def leave_locked(folder: Path, content: bytes) -> Left:
    """Write a mail that is kept until it is released; it survives a power cut.

    Raise ``OSError`` where there is no room; nothing is there then.
    """
    left = Left(_drawn(folder))
    try:
        descriptor = os.open(left.path, _FLAGS, MODE)
    except FileExistsError:
        # Somebody's who takes no locks.
        os.unlink(left.lock)
        raise
    try:
        _fill(descriptor, content)
        sync_directory(folder)
    except OSError:
        left.remove()
        raise
    return left


def leave(folder: Path, content: bytes) -> Path:
    """Write a mail that leaves at once; on return it survives a power cut."""
    left = leave_locked(folder, content)
    left.release()
    return left.path


def lock_of(path: Path) -> Path:
    """Return the name of a mail's lock."""
    return path.with_name(path.name + LOCK)


def unlocked(names: Sequence[str]) -> list[str]:
    """Return those that are no lock and have none, as the daemon chooses."""
    known = frozenset(names)
    return [n for n in names if not n.endswith(LOCK) and n + LOCK not in known]


def _drawn(folder: Path) -> Path:
    """Lock a name that is free; two writers never get the same one."""
    for _ in range(_DRAWS):
        path = folder / str(_FIRST + secrets.randbelow(_LAST - _FIRST + 1))
        try:
            descriptor = os.open(lock_of(path), _FLAGS, MODE)
        except FileExistsError:
            continue
        with open(descriptor, "wb") as lock:
            lock.write(b"locked")
        if not os.path.lexists(path):
            return path
        os.unlink(lock_of(path))
    raise FileExistsError(f"{folder}: no free name in {_DRAWS} draws")


def _fill(descriptor: int, content: bytes) -> None:
    with open(descriptor, "wb", buffering=0) as file:
        rest = memoryview(content)
        while rest:
            rest = rest[file.write(rest) :]
        os.fsync(descriptor)


def _line(text: str) -> bytes:
    try:
        return text.replace("\r", "").replace("\n", "").encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("an address is not UTF-8") from error
