# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/QUEUE.md and the scenes of tests/faults are the same.

Whoever adds a row finds here, and at once, that it needs a scene that breaks
at each system call; whoever removes one, that a scene is left.
"""

import pytest

from tests.faults.steps_page import keys, rows
from tests.faults.steps_run import GROUPS


@pytest.mark.parametrize(
    ("group", "heading"),
    [("drop", "What the directory says"), ("store", "The transitions")],
)
def test_each_row_has_its_scenes_and_no_scene_is_without_a_row(
    group: str, heading: str
) -> None:
    wanted = [key.replace("`", "") for key in keys(heading)]

    assert [row.replace("`", "") for row in GROUPS[group]()] == wanted


def test_each_way_to_begin_and_to_end_has_its_scenes() -> None:
    scenes = [*GROUPS["opening"](), *GROUPS["migration"]()]

    assert scenes == keys("Opening and closing")


def test_each_thing_that_comes_of_an_attempt_has_its_scene() -> None:
    assert list(GROUPS["attempt"]()) == [row[1] for row in rows("The attempt")]


def test_no_row_is_without_scenes() -> None:
    assert all(scenes for group in GROUPS.values() for scenes in group().values())
