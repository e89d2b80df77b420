# SPDX-License-Identifier: Apache-2.0
"""Everything at once, for three minutes, by a seed that is another each time."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from secrets import randbelow

import pytest

from tests.soak.play import play

SECONDS = 150.0  # and the rests; three minutes in all


def test_nothing_is_lost_and_nothing_stops_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A promise holds under every seed, so each run may try another.

    ``MAILDROPD_SOAK_SEED=N`` plays one again; what went wrong keeps its folder.
    """
    seed = int(os.environ.get("MAILDROPD_SOAK_SEED", randbelow(1_000_000)))
    folder = Path(tempfile.mkdtemp(prefix="maildropd-soak-"))
    with capsys.disabled():
        sys.stdout.write(f"\nMAILDROPD_SOAK_SEED={seed}, in {folder}\n")
        sys.stdout.flush()

    result = play(seed, SECONDS, folder)

    with capsys.disabled():
        sys.stdout.write(f"{result.summary}\n")
    assert not result.violations, "\n".join([*result.violations, result.verdict])
    shutil.rmtree(folder)
