# SPDX-License-Identifier: Apache-2.0
"""What the page in the ZMI shows: settings, how maildropd does, and the log.

Nothing here can be edited, and a password is never shown.
"""

import os
from collections.abc import Mapping

from maildropd.api import Door, QueueStatus, SubmissionError, queue_status
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.settings import Settings
from maildropd.integrations.zope import configs

NOT_SET = "(not set)"
SECRET = "******"  # noqa: S105 - what stands for one

_TLS: Mapping[int, str] = {0: "No", 1: "Yes", 2: "Forced"}


def rows(path: str) -> list[dict[str, str]]:
    """Return the rows of the table: a name, and its value."""
    try:
        settings = configs.settings(path)
    except Unreadable as error:
        shown = {"Error": str(error)}
        spool = ""
    else:
        shown = _theirs(settings) if settings else _ours(path)
        spool = settings.spools[0] if settings else ""
    found = {"Config file path": path, **shown, "maildropd": _condition(spool)}
    return [{"name": name, "value": value} for name, value in found.items()]


def status() -> QueueStatus | None:
    """Ask maildropd; None if it does not answer, or not us."""
    try:
        return queue_status()
    except SubmissionError:
        return None


def newest(path: str, max_bytes: int) -> str:
    """Return the lines at the end of a file, the last one first; "" for no file."""
    try:
        with open(path, "rb") as log:
            end = log.seek(0, os.SEEK_END)
            start = max(end - max(max_bytes, 0), 0)
            log.seek(start)
            text = log.read(end - start)
    except OSError:
        return ""
    lines = text.decode("utf-8", "replace").splitlines(keepends=False)
    # The first one has lost its beginning, unless that was the file's.
    return "\n".join(reversed(lines[1:] if start else lines))


def _condition(spool: str) -> str:
    """Say how maildropd does, and whether it looks after a spool."""
    try:
        found = queue_status()
    except SubmissionError as error:
        return str(error)
    said = f"version {found.version}, {found.waiting} recipients waiting"
    if spool and not any(_same(spool, str(each["path"])) for each in found.spools):
        return f"{said}; it does not watch {spool}: nothing sent here would leave"
    return said


def _same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _ours(path: str) -> dict[str, str]:
    door = Door()
    gone = (
        {} if path == configs.DEFAULT_PATH else {"In its place": configs.DEFAULT_PATH}
    )
    return {**gone, "Sockets": door.run, "Drop directory": door.drop}


def _theirs(settings: Settings) -> dict[str, str]:
    password = settings.maildrop_password
    return {
        "SMTP Host": settings.smtp_host or NOT_SET,
        "SMTP Port": str(settings.smtp_port),
        "TLS usage": _TLS.get(settings.maildrop_tls, "No"),
        "SMTP Server Login": settings.maildrop_login or NOT_SET,
        "SMTP Server Password": SECRET if password else NOT_SET,
        "Spool location": settings.spools[0],
        "Spool polling interval": f"{settings.maildrop_interval} seconds",
        "Maildrop daemon log file": settings.log_file,
        "Debug mode": "On" if settings.debug else "Off",
        "Debug receiver": settings.debug_receiver or NOT_SET,
        "Add Message-Id headers": "On" if settings.add_messageid else "Off",
    }
