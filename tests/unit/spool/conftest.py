# SPDX-License-Identifier: Apache-2.0
"""What the tests of the spool stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd.config.model import Form
from tests.unit.spool.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    stage.close()


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Stage]:
    """Lend a directory that is the new one of a Maildir."""
    stage = Stage(tmp_path, form=Form.MAILDIR)
    yield stage
    stage.close()
