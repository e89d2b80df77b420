# SPDX-License-Identifier: Apache-2.0
"""What docs/PYTHON.md shows can be copied, and does what it says."""

import os
import re
import subprocess
import sys

import pytest

from maildropd import api
from tests.integration.daemon import HOME, DaemonProcess
from tests.integration.in_store import stored

pytestmark = pytest.mark.integration

PAGE = (HOME / "docs" / "PYTHON.md").read_text("utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
MAILS = 1 + 2 + 1 + 1 + 1 + 2 + 3 + 3 + 101  # of the examples, in their order


def test_the_examples_send_what_they_say(
    running: DaemonProcess, door: api.Door
) -> None:
    environment = {"MAILDROP_RUN": door.run, "MAILDROP_DROP": door.drop}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(EXAMPLES)],
        cwd=HOME,
        env={**os.environ, **environment},
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("socket ")
    running.wait_for("MessageAccepted", MAILS)
    assert len(running.of("SubmissionRepeated")) == 2
    assert {sender for sender, _, _ in stored(running)} == {
        *("ann@example.org", "bounces@example.org", None, "list@example.org")
    }


def test_every_name_of_the_api_is_on_the_page() -> None:
    assert [name for name in api.__all__ if f"`{name}" not in PAGE] == []
