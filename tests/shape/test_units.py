# SPDX-License-Identifier: Apache-2.0
"""The service keeps its distance from the rest of the host."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.shape.house import ROOT

UNITS = ROOT / "packaging" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
EXPOSURE = 12  # in tenths; what is left is the network, which is the purpose


def test_there_are_services() -> None:
    assert {unit.name for unit in SERVICES} >= {"maildropd.service"}


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_exposed_no_more_than_it_must_be(unit: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing (systemd)")

    options = ["--offline=yes", "--no-pager", f"--threshold={EXPOSURE}"]

    judged = subprocess.run(
        ["systemd-analyze", "security", *options, str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "Overall exposure level" in judged.stdout
