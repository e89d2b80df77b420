# SPDX-License-Identifier: Apache-2.0
"""Files that the programs we replace wrote, where somebody keeps them beside us."""

from pathlib import Path

_PLACE = Path(__file__).resolve().parents[3] / "shared" / "fixtures"


def originals(folder: str) -> list[Path]:
    """Return the files of one kind; none where there are none."""
    return sorted(path for path in (_PLACE / folder).glob("*") if path.is_file())
