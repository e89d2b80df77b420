# SPDX-License-Identifier: Apache-2.0
"""The machines that make up orders of events, and how one is run."""

from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.fuzz.drop_machine import DropMachine
from tests.fuzz.store_machine import StoreMachine

Machine = type[RuleBasedStateMachine]

# Each call returns a class of its own, which can be given a seed of its own.
MACHINES: Mapping[str, Callable[[], Machine]] = {
    "store": lambda: type("Store", (StoreMachine,), {}),
    "drop": lambda: type("Drop", (DropMachine,), {}),
}


def run(machine: Machine, examples: int, *, same_each_time: bool = False) -> None:
    """Let a machine make up so many orders; raise what the first broken one raised."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=60,
            derandomize=same_each_time,
            database=None,
            deadline=None,
            phases=[Phase.generate],  # to make a failure small takes minutes
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
