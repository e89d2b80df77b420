# SPDX-License-Identifier: Apache-2.0
"""Our quarantine, for files of another system that are no mail.

They are copied, each beside the reason; a copy that is there already is one
of the same import, begun before.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from maildropd.host import durable

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE = 256 * 1024
_NAME_LIMIT = 200  # octets; a reason's suffix follows

_TEXT = """\
This file was imported from the queue of {system}, and is no mail that can be
sent, because
    {reason}

file:         {file}
set aside:    {now}

Nothing of it was sent.  To send it, put right what is wrong with it, and leave
it in a drop.  Otherwise remove it, and this file.
"""


class Aside:
    """A quarantine; what is made in it belongs to the daemon."""

    def __init__(self, folder: Path, owner: tuple[int, int]) -> None:
        """Name the folder, which is made when first needed, and its owner."""
        self._folder = folder
        self._owner = owner

    def copy(self, paths: Sequence[Path], mark: str, system: str, why: str) -> None:
        """Copy what belongs together; raise ``OSError``, and nothing is lost."""
        if not os.path.isdir(self._folder):
            durable.make_directory(self._folder)
            self._give(self._folder)
        first = self._name(paths[0], mark)
        if not os.path.lexists(first.with_name(first.name + ".reason")):
            self._write(first, paths[0], system, why)
        for path in paths[1:]:
            if not os.path.lexists(self._name(path, mark)):
                self._create(self._name(path, mark), octets(path))

    def _write(self, target: Path, source: Path, system: str, why: str) -> None:
        """The reason comes last: where it is, the file is whole."""
        with suppress(FileNotFoundError):  # of an import that was cut off
            os.unlink(target)
        self._create(target, octets(source))
        text = _TEXT.format(
            system=system,
            reason=why,
            file=ascii(str(source))[1:-1],
            now=datetime.now(UTC).isoformat(sep=" ", timespec="seconds"),
        )
        self._create(target.with_name(target.name + ".reason"), iter([text.encode()]))

    def _name(self, path: Path, mark: str) -> Path:
        name = os.fsencode(f"import-{mark[:12]}-") + os.fsencode(path.name)
        return self._folder / os.fsdecode(name[:_NAME_LIMIT])

    def _create(self, path: Path, pieces: Iterator[bytes]) -> None:
        durable.create(path, pieces)
        self._give(path)

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, *self._owner, follow_symlinks=False)


def octets(path: Path) -> Iterator[bytes]:
    """Yield what a file holds, whatever its size."""
    with open(os.open(path, _FLAGS), "rb") as file:
        while piece := file.read(_PIECE):
            yield piece
