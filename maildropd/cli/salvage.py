# SPDX-License-Identifier: Apache-2.0
"""``maildropctl salvage``: a new queue of what can be read of a damaged one."""

import os
import sqlite3
from collections.abc import Iterator

from maildropd.cli.desk import Failed
from maildropd.cli.words import count
from maildropd.config.layout import Layout
from maildropd.config.read import read
from maildropd.host.process import become_owner_of
from maildropd.mail.errors import MailError
from maildropd.store.salvage import salvage


def run(layout: Layout) -> Iterator[str]:
    """Do it while no daemon runs; yield what there is to say."""
    state = read(layout).daemon.state_directory
    if not state.is_dir():
        raise Failed(f"{state}: there is no store")
    os.umask(0o077)
    become_owner_of(state)
    try:
        found = salvage(state)
    except (MailError, OSError, sqlite3.Error) as error:
        raise Failed(f"{state}: {error}") from error
    yield f"{count(found.messages, 'message')} saved"
    if found.unreadable:
        yield f"{count(found.unreadable, 'message')} could not be read"
    yield f"the old files are in {found.folder}"
