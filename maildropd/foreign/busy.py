# SPDX-License-Identifier: Apache-2.0
"""Whether somebody still works in a queue: two who send from it send twice.

Each answer is words that say who, or nothing.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")


def maildrophost(folder: Path) -> str:
    """Look for the process file, and at who has the spool open.

    It lies in var beside the spool, or in the folder above it.
    """
    for path in (folder.parent / "var", folder.parent):
        if pid := _alive(path / "maildrop.pid"):
            return f"MaildropHost works in it (process {pid}): stop it first"
    return _opened(folder)


def maildir(folder: Path) -> str:
    """Look only for ourselves: what others send has their mark, and is held."""
    return _opened(folder / "new")


def nullmailer(folder: Path) -> str:
    """Look for its daemon, which stays in the folder of the queue."""
    for pid, name in _processes():
        if name.startswith("nullmailer-send"):
            with suppress(OSError):
                here = os.path.realpath(os.readlink(_PROC / pid / "cwd"))
                if os.path.realpath(folder) in (here, os.path.dirname(here)):
                    return f"nullmailer-send works in it (process {pid}): stop it first"
    return _opened(folder)


def _alive(path: Path) -> int:
    """Return the process that a file names, if it runs; others get such numbers."""
    try:
        with path.open("rb") as file:
            found = re.fullmatch(rb"\s*([1-9][0-9]{0,9})\s*", file.read(32))
        if not found:
            return 0
        command = (_PROC / os.fsdecode(found[1]) / "cmdline").read_bytes()
    except OSError:
        return 0
    # Not ours, which may have the same process file and another spool.
    names = map(os.path.basename, command.split(b"\0"))
    return int(found[1]) if b"maildrop.py" in names else 0


def _opened(folder: Path) -> str:
    """Look whether another daemon of ours holds the folder itself."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return ""  # whoever reads it says why
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return "maildropd itself takes mail from it: it is a [spool NAME] of ours"
    finally:
        os.close(descriptor)
    return ""


def _processes() -> Iterator[tuple[str, str]]:
    for pid in filter(str.isdigit, os.listdir(_PROC)):
        with suppress(OSError):
            yield pid, (_PROC / pid / "comm").read_text().strip()
