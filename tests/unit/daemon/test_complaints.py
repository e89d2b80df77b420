# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in the main loop is an event, and no flood."""

import asyncio

from maildropd.daemon.complaints import Complaints
from maildropd.mail.service_events import InternalError
from tests.fakes.journal import FakeJournal


def test_the_same_complaint_is_told_once_and_another_one_again() -> None:
    """Out of descriptors, asyncio says so a hundred times a second."""
    journal = FakeJournal()

    async def complain() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(Complaints(journal))
        for _ in range(100):
            full = OSError(24, "Too many open files")
            loop.call_exception_handler({"message": "accept", "exception": full})
        loop.call_exception_handler({"message": "something else"})

    asyncio.run(complain())

    first, second = journal.of(InternalError)
    assert "Too many open files" in first.error
    assert "something else" in second.error
