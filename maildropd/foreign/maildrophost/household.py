# SPDX-License-Identifier: Apache-2.0
"""A daemon of ours for one MaildropHost configuration, in a folder of its own.

The folder is below the home of that configuration, and made anew from it at
each start: the queue in it stays, all else is written over.
"""

import os
from pathlib import Path

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.importing import alone, secret
from maildropd.foreign.maildrophost.settings import Settings
from maildropd.host import durable

FOLDER = "maildropd"
_KEPT = "password"


def settle(settings: Settings) -> Path:
    """Make or renew the folder, and return it: ``maildropd --config`` takes it.

    Also make the directories that the configuration names, as MaildropHost
    does.  Raise ``Unreadable`` for what cannot be said or made.
    """
    text = alone(settings, Path(_KEPT)).encode("utf-8")
    password = secret(settings) if settings.has_login else b""
    folder = Path(settings.maildrop_home, FOLDER)
    try:
        for each in (*settings.spools, settings.var):
            os.makedirs(each, exist_ok=True)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if password:
            durable.replace(folder / _KEPT, [password])
        else:
            durable.remove(folder / _KEPT)
        durable.replace(folder / "maildropd.conf", [text])
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        place = str(error.filename or folder)
        raise Unreadable(place, f"cannot be made ({why})") from error
    return folder
