# SPDX-License-Identifier: Apache-2.0
"""Writing into a Maildir: aside first, then by one rename.

The names are those of zope.sendmail and repoze.sendmail, and so is the mode,
unless ``tmp`` has the bit that gives files its group: then the group may read.
Beyond theirs, a mail is on disk before it gets its name, and the name after.
"""

import errno
import os
import random
import socket
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from maildropd.host import durable

_TRIES = 1000
_RANDOM = 0x7FFFFFFF
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PARTS = ("cur", "new", "tmp")


class NotMaildir(ValueError):
    """A directory that lacks ``cur``, ``new`` or ``tmp``."""


class Maildir:
    """One Maildir; safe to use from any thread, and after a fork."""

    def __init__(self, path: Path | str, *, create: bool = True) -> None:
        """Make it, if there is nothing; raise ``NotMaildir`` or ``OSError``."""
        self.path = Path(path)
        if create and not self.path.exists():
            _make(self.path)
        if not all((self.path / part).is_dir() for part in _PARTS):
            raise NotMaildir(f"{path} is not a Maildir folder")

    def write(self, content: bytes) -> "Letter":
        """Put a mail on disk, where nobody takes it yet; raise ``OSError``."""
        name, descriptor = self._new()
        letter = Letter(self.path, name)
        try:
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError:
            letter.abort()
            raise
        return letter

    def _new(self) -> tuple[str, int]:
        """Make a file under a name that nothing has or had."""
        folder = self.path / "tmp"
        shared = os.stat(folder).st_mode & stat.S_ISGID
        host = socket.gethostname().replace("/", "\\057").replace(":", "\\072")
        for _ in range(_TRIES):
            chance = random.randrange(_RANDOM)  # noqa: S311 - to be unlike others
            name = f"{int(time.time())}.{os.getpid()}.{host}.{chance}"
            with suppress(FileExistsError):
                descriptor = os.open(folder / name, _FLAGS, 0o600)
                if shared:
                    os.fchmod(descriptor, 0o640)
                return name, descriptor
        raise FileExistsError(f"no name is free in {folder}")


def _make(path: Path) -> None:
    """Make it whole: of two who do so at once, neither meets half of the other's."""
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for part in _PARTS:
            (aside / part).mkdir(0o700)
        os.rename(aside, path)
    except OSError as error:
        for part in _PARTS:
            with suppress(OSError):
                (aside / part).rmdir()
        aside.rmdir()
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise


class Letter:
    """A mail that is on disk, and waits to be let go."""

    def __init__(self, maildir: Path, name: str) -> None:
        """Know it by its name."""
        self.aside = maildir / "tmp" / name
        self.path = maildir / "new" / name

    def commit(self, prefix: str = "") -> None:
        """Let it go; what goes wrong is raised, and it can be done again.

        A prefix with a dot makes it a name that is not sent.
        """
        with suppress(FileNotFoundError):  # it was let go before
            os.rename(self.aside, self.path.with_name(prefix + self.path.name))
        durable.sync_directory(self.path.parent)

    def abort(self) -> None:
        """Take it back, if it was not let go; never raise for one that is gone."""
        with suppress(FileNotFoundError):
            os.unlink(self.aside)
