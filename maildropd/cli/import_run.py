# SPDX-License-Identifier: Apache-2.0
"""The steps of ``maildropctl import-queue``, from the first look to the removal."""

import os
from argparse import Namespace
from collections.abc import Iterator

from maildropd.cli.desk import Failed
from maildropd.cli.import_aside import Aside
from maildropd.cli.import_config import chosen
from maildropd.cli.import_door import SocketDoor
from maildropd.cli.import_queue import Import
from maildropd.cli.words import clean, count
from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read

_AGAIN = "nothing was removed; run this again: nothing comes twice"


def run(layout: Layout, found: Namespace) -> Iterator[str]:
    """Yield what there is to say; raise ``Failed``."""
    queue = chosen(found.system).queue
    if isinstance(queue, str):
        raise Failed(f"{found.system}: {queue}")
    if busy := queue.busy(found.folder):
        raise Failed(clean(f"{found.folder}: {busy}"), "nothing was touched")
    work = Import(
        system=found.system, folder=found.folder, read=queue.read, hold=found.hold
    )
    if found.dry_run:
        yield from work.plan()
        yield f"{work.summary()}; nothing was done (--dry-run)"
        return
    yield from _brought(layout, work)
    if found.remove:
        if busy := queue.busy(found.folder):
            raise Failed(clean(f"{found.folder}: {busy}"), _AGAIN)
        yield from work.remove()
    else:
        yield f"nothing was removed from {clean(found.folder)} (--remove does)"


def _brought(layout: Layout, work: Import) -> Iterator[str]:
    config = read(layout)
    owner = _owner(config)
    if trouble := unfit(
        os.geteuid(), owner[0], checked=config.submission.check_senders
    ):
        raise Failed(trouble, "nothing was touched")
    with SocketDoor(config.submission.socket) as door:
        try:
            yield from work.bring(door, Aside(config.spools[0].quarantine, owner))
        except Failed as failed:
            safe = f"{count(len(work.safe), 'mail')} safe here"
            raise Failed(*failed.args, f"{safe}; {_AGAIN}") from failed
    work.check()
    yield f"{work.summary()}; all that was taken is on disk, and verified"


def unfit(user: int, owner: int, *, checked: bool) -> str:
    """Return why a user cannot import, or nothing: mail must keep its senders."""
    if user == 0:
        return ""
    if user != owner:
        return "this is for root and the daemon's own user"
    if checked:
        return (
            "all of it would go out in your own name: run this as root, or set"
            " check_senders = no of [submission] for as long"
        )
    return ""


def _owner(config: Config) -> tuple[int, int]:
    """Return whose the daemon's files are: those of the store."""
    try:
        found = os.stat(config.daemon.state_directory)
    except OSError:
        return os.geteuid(), os.getegid()
    return found.st_uid, found.st_gid
