# SPDX-License-Identifier: Apache-2.0
"""What the tests of the spool stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.spool.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()
