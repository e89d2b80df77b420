# SPDX-License-Identifier: Apache-2.0
"""Contents that no message names: what a crash left, once, at the start."""

from maildropd.mail.event import Journal
from maildropd.mail.service_events import OrphansSwept
from maildropd.mail.store_events import OrphansKept
from maildropd.store.content import ContentFolder
from maildropd.store.reading import Reader


def sweep(
    content: ContentFolder, reader: Reader, journal: Journal, *, trusting: bool
) -> None:
    """Remove them; or move them aside, if rows may be missing beside."""
    if trusting:
        swept = content.sweep(reader.is_named)
        if swept:
            journal.emit(OrphansSwept(files=swept))
        return
    # Rows are missing, not only files too many: a row may come back.
    folder = content.path.with_name("orphans")
    moved = content.set_aside(reader.is_named, folder)
    if moved:
        journal.emit(OrphansKept(files=moved, path=str(folder)))
