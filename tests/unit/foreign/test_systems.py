# SPDX-License-Identifier: Apache-2.0
"""The list of systems: each has readers, and the manual page knows it."""

from pathlib import Path

import pytest

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.systems import SYSTEMS, Queue

MANUAL = Path(__file__).parents[3] / "docs/man/maildropctl.8"


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_manual_names_every_system(name: str) -> None:
    assert f"{name}" in MANUAL.read_text().partition(".Sh TAKING OVER")[2]


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_is_not_there_is_an_error_and_nothing_else(
    name: str, tmp_path: Path
) -> None:
    system = SYSTEMS[name]
    nowhere = tmp_path / "none" / "none"

    with pytest.raises(Unreadable, match="none"):
        system.imported(nowhere)
    if isinstance(system.queue, Queue):
        assert system.queue.busy(nowhere) == ""
        with pytest.raises(Unreadable, match="none"):
            list(system.queue.read(nowhere))


def test_who_has_no_queue_says_where_to_look() -> None:
    assert "dead.letter" in str(SYSTEMS["ssmtp"].queue)
