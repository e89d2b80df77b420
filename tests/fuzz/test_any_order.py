# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, in whatever order: the same orders each time, here.

``python3 -m tests.fuzz store drop`` tries others, for as long as it is told.
"""

from tests.fuzz.machines import MACHINES, run


def test_a_store_keeps_its_promises_in_any_order_of_events() -> None:
    run(MACHINES["store"](), examples=100, same_each_time=True)


def test_a_drop_keeps_its_promises_whatever_its_writers_do() -> None:
    run(MACHINES["drop"](), examples=150, same_each_time=True)
