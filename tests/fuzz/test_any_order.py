# SPDX-License-Identifier: Apache-2.0
"""Whatever happens, in whatever order: the same orders each time, here.

``python3 -m tests.fuzz`` tries others, for as long as it is told.
"""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.fuzz.store_machine import StoreMachine

SHORT = settings(
    max_examples=100,
    stateful_step_count=60,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # to make a failure small takes minutes
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)


def test_a_store_keeps_its_promises_in_any_order_of_events() -> None:
    run_state_machine_as_test(StoreMachine, settings=SHORT)
