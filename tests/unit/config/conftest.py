# SPDX-License-Identifier: Apache-2.0
"""A main file that everybody can do without."""

from pathlib import Path

import pytest


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "maildropd.conf"
    path.write_text("")
    path.chmod(0o600)
    return path
