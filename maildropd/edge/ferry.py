# SPDX-License-Identifier: Apache-2.0
"""From the store's thread to the main loop, with as few crossings as can be.

Messages that share a commit are done at the same moment: the loop is woken
once for all of them, not once for each.
"""

import asyncio
from collections import deque
from concurrent.futures import Future
from functools import partial

from maildropd.store.base import Stored


class Ferry:
    """Brings what was stored to whoever waits for it in the main loop."""

    def __init__(self) -> None:
        """Carry nothing yet."""
        self._landed: deque[tuple[asyncio.Future[Stored], Future[Stored]]] = deque()
        self._called = False
        self.large = asyncio.Lock()  # held by the large message whose turn it is

    def carry(self, stored: Future[Stored]) -> asyncio.Future[Stored]:
        """Return a future of the running loop that ends as that one does."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Stored] = loop.create_future()
        stored.add_done_callback(partial(self._arrived, loop, waiter))
        return waiter

    def _arrived(
        self,
        loop: asyncio.AbstractEventLoop,
        waiter: asyncio.Future[Stored],
        stored: Future[Stored],
    ) -> None:
        self._landed.append((waiter, stored))
        if not self._called and not loop.is_closed():
            self._called = True
            loop.call_soon_threadsafe(self._unload)

    def _unload(self) -> None:
        self._called = False  # first: who lands from now on calls again
        while self._landed:
            waiter, stored = self._landed.popleft()
            if waiter.done():
                continue
            error = stored.exception()
            if error is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(stored.result())
