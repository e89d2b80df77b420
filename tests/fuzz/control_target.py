# SPDX-License-Identifier: Apache-2.0
"""The control socket: whatever somebody says there, the next one is answered."""

import asyncio
import atexit
import json
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from maildropd.edge.control import Control
from maildropd.host.descriptors import Spare
from maildropd.queue.operator import Operator
from tests.fuzz.places import folder
from tests.unit.control.queues import Queue
from tests.unit.control.test_control import FakeService

_PATIENCE = 20  # seconds
_DEEP = 300  # brackets; from here on the reader's own depth may decide


class Stand:
    """A control socket with a queue behind it, kept from input to input."""

    def __init__(self, folder: Path) -> None:
        self.queue = Queue(folder)
        self.path = folder / "run" / "control"
        self.loop = asyncio.new_event_loop()
        self.complaints: list[str] = []
        self.loop.set_exception_handler(lambda _, said: self._complain(said))
        operator = Operator(self.queue.store, self.queue.journal, self.queue.clock)
        self.door = Control(self.path, operator, FakeService(), Spare())
        self.loop.run_until_complete(self.door.start())

    def _complain(self, said: dict[str, Any]) -> None:
        self.complaints.append(str(said))

    def say(self, octets: bytes) -> list[bytes]:
        """Return the lines that are answered."""
        return self.loop.run_until_complete(self._say(octets))

    async def _say(self, octets: bytes) -> list[bytes]:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(str(self.path))
            writer.write(octets)
            writer.write_eof()
            answers = await reader.read()
            writer.close()
        return answers.splitlines(keepends=True)


@cache
def _stand() -> Stand:
    made = folder()
    atexit.register(shutil.rmtree, made)
    return Stand(made)


def control(octets: bytes) -> None:
    """One JSON object a line is answered by one; anything else ends the session."""
    stand = _stand()
    stand.queue.journal.events.clear()
    stand.complaints.clear()
    while sum(stand.queue.store.counts().values()) < 4:
        stand.queue.add("bob@example.net", "eve@example.net")
    answers = stand.say(octets)
    for answer in answers:
        assert answer.endswith(b"\n")
        said = json.loads(answer)
        assert said["ok"] or said["error"]
    if octets.count(b"[") + octets.count(b"{") < _DEEP:
        assert len(answers) == _expected(octets)
    (counted,) = stand.say(b'{"command": "counts"}\n')
    assert json.loads(counted)["ok"], "the next one is not answered"
    assert stand.complaints == []


def _expected(octets: bytes) -> int:
    """Count the answers: one a request, up to the first line that is none."""
    number = 0
    lines = octets.split(b"\n")
    for line in [each + b"\n" for each in lines[:-1]] + lines[-1:]:
        if not line:
            break
        number += 1
        try:
            request = json.loads(line)
        except ValueError:
            break
        if not isinstance(request, dict):
            break
    return number
