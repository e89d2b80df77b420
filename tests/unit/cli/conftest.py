# SPDX-License-Identifier: Apache-2.0
"""Run commands in a folder, with a daemon beside them or without."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from maildropd.cli.maildropctl import main
from maildropd.edge.control import Control
from maildropd.host.descriptors import Spare
from maildropd.queue.operator import Operator
from tests.unit.cli.talk import Ctl, FakeService, Said, Work
from tests.unit.control.queues import Queue, a_queue


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "maildropd.conf").write_text("")
    return tmp_path


@pytest.fixture
def ctl(folder: Path, capsys: pytest.CaptureFixture[str]) -> Ctl:
    def ctl(*argv: str) -> Said:
        code = main(["--config", str(folder), *argv])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return ctl


@pytest.fixture
def beside_a_daemon(folder: Path) -> Callable[..., Said]:
    """Run a command while a daemon serves the control socket."""

    async def served(
        queue: Queue, service: FakeService, work: Callable[[], Said]
    ) -> Said:
        operator = Operator(queue.store, queue.journal, queue.clock)
        door = Control(folder / "run" / "control", operator, service, Spare())
        await door.start()
        try:
            return await asyncio.to_thread(work)
        finally:
            await door.close()

    def run(work: Work, service: FakeService | None = None) -> Said:
        with a_queue(folder) as queue:
            queue.add("bob@example.net")
            return asyncio.run(served(queue, service or FakeService(), work))

    return run
