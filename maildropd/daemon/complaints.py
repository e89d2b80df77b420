# SPDX-License-Identifier: Apache-2.0
"""What asyncio has to say when something goes wrong in the main loop."""

import asyncio
from collections.abc import Mapping
from typing import Any

from maildropd.mail.event import Journal
from maildropd.mail.service_events import InternalError


class Complaints:
    """What the main loop complains of, as events, and each complaint once.

    Out of descriptors it complains of the same a hundred times a second.
    """

    def __init__(self, journal: Journal) -> None:
        """Nothing was said yet."""
        self._journal = journal
        self._said = ""

    def __call__(
        self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]
    ) -> None:
        """Tell it, unless it is what was told last."""
        del loop
        error = f"{context['message']} ({context.get('exception')!r})"
        if error != self._said:
            self._said = error
            self._journal.emit(
                InternalError(where="main loop", error=error, traceback="")
            )
