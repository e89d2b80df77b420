# SPDX-License-Identifier: Apache-2.0
"""What lies in a spool of MaildropHost, read and left as it is."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from maildropd.edge.spool import maildrophost
from maildropd.foreign import files
from maildropd.foreign.maildrophost.spool import LOCK, lock_of
from maildropd.foreign.queued import Queued
from maildropd.mail.errors import MailError, Malformed

_MOST = 1_000_000  # recipients of one mail
_LOCKED = "it is locked: its writer has not finished, or was killed"


def queued(folder: Path) -> Iterator[Queued]:
    """Yield each mail, the oldest first; raise ``Unreadable`` for no folder.

    A directory is no mail, and neither is a lock; a mail that leaves meanwhile
    is not told of.
    """
    found = files.everything(folder)
    names = {path.name for path in found}
    for path in found:
        if not path.name.endswith(LOCK):
            one = _read(path, locked=path.name + LOCK in names)
            if one:
                yield one


def _read(path: Path, *, locked: bool) -> Queued | None:
    also = (lock_of(path),) if locked else ()
    content = b""
    try:
        content = files.plain(path, files.LARGEST_MAIL, os.O_NOFOLLOW)
        if not maildrophost.is_form(content):
            raise Malformed("it does not begin with ##To:")
        draft = maildrophost.read(content, _MOST)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "it is a symbolic link" if error.errno == errno.ELOOP else None
        why = why or f"it cannot be read ({error.strerror or error})"
    except MailError as error:
        why = str(error)
    else:
        return Queued(
            path=path,
            state="held" if locked else "ready",
            why=_LOCKED if locked else "",
            reverse_path=draft.reverse_path,
            recipients=draft.recipients,
            content=b"".join(draft.content),
            also=also,
        )
    return Queued(path=path, state="unreadable", why=why, content=content, also=also)
