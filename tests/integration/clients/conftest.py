# SPDX-License-Identifier: Apache-2.0
"""Each test is held to every client: those in Python, and the one in C."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.integration.clients.stage import Stage
from tests.integration.clients.twins import Twin, made

KINDS = ("script", "module", "c", "sanitized")
Workshop = Callable[[str], Twin]


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """Make a client once, when it is first asked for."""
    with tempfile.TemporaryDirectory(prefix="twins-") as folder:

        @cache
        def make(kind: str) -> Twin:
            return made(kind, Path(folder) / kind)

        yield make


# By indirect parameters a test chooses others than all.
@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, workshop: Workshop) -> Iterator[Stage]:
    """Lend a place with a client; its path is short enough for a socket."""
    kind: str = request.param
    if kind in ("c", "sanitized") and shutil.which("cc") is None:
        pytest.skip("cc is missing (gcc, libc6-dev)")
    with tempfile.TemporaryDirectory(prefix="mail-") as folder:
        stage = Stage(twin=workshop(kind), folder=Path(folder))
        yield stage
        stage.close()


@pytest.fixture(autouse=True)
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let coverage stay out of the clients: it opens files, and ends later."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
