# SPDX-License-Identifier: Apache-2.0
"""The queue of dma: for each recipient a Q file, with the message in an M file."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.queued import Queued
from maildropd.mail.address import parse_list, parse_reverse_path
from maildropd.mail.errors import BadAddress


def queued(folder: Path) -> Iterator[Queued]:
    """Yield what is in /var/spool/dma; a tmp file was never promised to anybody."""
    paths = files.listed(folder)
    names = {path.name for path in paths}
    for path in paths:
        kind, identity = path.name[:1], path.name[1:]
        content = path.with_name(f"M{identity}")
        if kind == "M" and f"Q{identity}" not in names:
            why = "there is no Q file that says for whom it is"
            yield Queued(path=path, state="unreadable", why=why)
        if kind != "Q":
            continue
        also = (content,) if content.name in names else ()
        try:
            yield _read(path, content, also)
        except files.Gone:
            continue
        except Unreadable as error:
            yield Queued(path=path, state="unreadable", why=error.why, also=also)


def busy(folder: Path) -> str:
    """Return who works in it, or nothing: dma locks what it delivers."""
    with suppress(Unreadable):  # whoever reads it says why
        for path in files.listed(folder):
            if path.name.startswith("Q") and _is_locked(path):
                return f"dma delivers {path.name} at this moment: wait, or stop it"
    return ""


def _is_locked(path: Path) -> bool:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with suppress(OSError), open(os.open(path, flags), "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _read(path: Path, content: Path, also: tuple[Path, ...]) -> Queued:
    said = _envelope(path)
    if not also:
        raise Unreadable(str(path), "there is no M file with its message")
    try:
        recipients = parse_list(said["Recipient"])
        reverse_path = parse_reverse_path(said["Sender"].encode())
    except BadAddress as error:
        raise Unreadable(str(path), str(error)) from error
    if not recipients:
        raise Unreadable(str(path), "it names no recipient")
    return Queued(
        path=path,
        state="ready",
        reverse_path=reverse_path,
        recipients=recipients,
        content=files.check_message(path, files.mail(content)),
        also=also,
    )


def _envelope(path: Path) -> Mapping[str, str]:
    text = files.mail(path).decode("utf-8", "replace")
    said = dict(line.partition(": ")[::2] for line in text.split("\n") if line)
    said = {name.rstrip(":"): value for name, value in said.items()}
    if missing := {"ID", "Sender", "Recipient"} - set(said):
        raise Unreadable(str(path), f"it says no {', '.join(sorted(missing))}")
    return said
