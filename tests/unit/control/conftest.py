# SPDX-License-Identifier: Apache-2.0
"""A queue to work on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.control.queues import Queue, a_queue


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    with a_queue(tmp_path) as queue:
        yield queue
