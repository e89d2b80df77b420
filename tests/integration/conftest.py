# SPDX-License-Identifier: Apache-2.0
"""A real daemon, and the way of maildropd.api to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd import api
from tests.integration.daemon import DaemonProcess


@pytest.fixture
def running(tmp_path: Path) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path, port=9).start()
    yield daemon
    assert daemon.stop() == 0


@pytest.fixture
def door(running: DaemonProcess) -> api.Door:
    return api.Door(run=running.folder / "run", drop=running.drop)
