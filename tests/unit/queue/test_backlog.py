# SPDX-License-Identifier: Apache-2.0
"""What one lane holds of a deep queue."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd.mail.events import MessageDone
from tests.unit.queue.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def test_mail_to_many_waits_in_the_store_and_not_in_memory(desk: Desk) -> None:
    """A hundred messages to ten thousand each were a million in memory."""
    desk.relay.gate.clear()
    for number in range(10):
        desk.add(*(f"r{number}-{n}@example.net" for n in range(60)))

    for _ in range(10):
        desk.manager._pass_once()

    assert desk.manager.in_flight <= 2 + 2  # on the wire, and what waits
    desk.relay.gate.set()
    desk.start()
    desk.journal.wait_for(MessageDone, 10)
