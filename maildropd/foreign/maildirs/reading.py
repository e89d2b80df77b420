# SPDX-License-Identifier: Apache-2.0
"""What lies in a Maildir of zope.sendmail or repoze.sendmail, mail by mail.

Nothing is left out: mail that was refused for good or never finished is shown,
too, and so is what their sender left behind.
"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from maildropd.edge.spool import letters
from maildropd.foreign import files
from maildropd.foreign.queued import Queued, State
from maildropd.mail.errors import MailError

_RECIPIENTS = 1_000_000
_BUSY = 3 * 60 * 60  # seconds; their senders believe a mark for as long
_SENDING = (".sending-", ".sending_")
_REJECTED = (".rejected-", ".rejected_")


def queued(folder: Path) -> Iterator[Queued]:
    """Yield each mail, the oldest first; raise ``Unreadable`` if it is no Maildir."""
    found: list[Path] = []
    for part in ("new", "cur", "tmp"):
        found += files.everything(folder / part)
    names = set(found)
    for path in sorted(found, key=files.age):
        if (mail := _subject(path)) and mail in names:
            continue
        if one := _mail(path, names):
            yield one


def _subject(path: Path) -> Path | None:
    """Return the mail that a file with a leading dot stands beside."""
    for prefix in (*_SENDING, *_REJECTED):
        if path.name.startswith(prefix):
            return path.with_name(path.name.removeprefix(prefix))
    return None


def _mail(path: Path, names: set[Path]) -> Queued | None:
    prefixes = (*_SENDING, *_REJECTED)
    beside = [path.with_name(prefix + path.name) for prefix in prefixes]
    also = tuple(mark for mark in beside if mark in names)
    try:
        octets = files.plain(path, files.LARGEST_MAIL, os.O_NOFOLLOW)
    except FileNotFoundError:
        return None  # somebody sent it
    except OSError as error:
        why = f"cannot be read ({(error.strerror or str(error)).lower()})"
        return Queued(path=path, state="unreadable", why=why, also=also)
    try:
        draft = letters.read(octets, _RECIPIENTS)
    except MailError as error:
        return Queued(
            path=path, state="unreadable", why=str(error), content=octets, also=also
        )
    state, why = _state(path, also)
    return Queued(
        path=path,
        state=state,
        why=why,
        reverse_path=draft.reverse_path,
        recipients=draft.recipients,
        content=b"".join(draft.content),
        also=also,
    )


def _state(path: Path, also: tuple[Path, ...]) -> tuple[State, str]:
    name = path.name
    if path.parent.name == "tmp":
        return "held", "its writer never finished it"
    if name.startswith(_SENDING):
        return "held", "all that is left of a mail that was sent or refused"
    if name.startswith(_REJECTED) or any(a.name.startswith(_REJECTED) for a in also):
        return "held", "it was refused for good"
    if name.startswith("."):
        return "held", "it is hidden, and their sender passes over it"
    if any(map(_is_young, also)):
        return "held", "their sender has it, or had it less than 3 hours ago"
    return "ready", ""


def _is_young(mark: Path) -> bool:
    with suppress(FileNotFoundError):
        return time.time() - os.lstat(mark).st_mtime < _BUSY
    return False
