# SPDX-License-Identifier: Apache-2.0
"""A hundred power cuts under load; scripts/soak and ``python3 -m tests.power`` make
as many as wanted.
"""

import pytest

from tests.power.__main__ import main


def test_what_was_promised_holds_after_each_of_a_hundred_cuts(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nothing acknowledged is lost, nothing recorded is done again.

    A failure prints its seed and keeps the disks.
    """
    code = main(["--cuts", "100"])

    told = capfd.readouterr().out
    assert code == 0, told
    assert ": 100 cuts in " in told
    assert "; 0 broken, " in told
