# SPDX-License-Identifier: Apache-2.0
"""Mail of transactions that are not the only one: managers, threads, processes."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
import transaction
from transaction.interfaces import NoTransaction

from tests.frameworks.managers import LAST, Other
from tests.frameworks.post import Post, Send, in_child


def test_an_explicit_manager_is_used_and_needs_a_transaction(
    post: Post, send: Send
) -> None:
    """As Pyramid's request.tm."""
    manager = transaction.TransactionManager(explicit=True)

    with pytest.raises(NoTransaction):
        send("nobody's", transaction_manager=manager)
    with manager:
        send("one", transaction_manager=manager)
    transaction.commit()

    assert post.delivered(1) == {"one": 1}


def test_each_thread_has_a_transaction_of_its_own(post: Post, send: Send) -> None:
    def work(number: int) -> None:
        send(f"t{number}")
        together.wait()
        (transaction.abort if number % 2 else transaction.commit)()

    together = threading.Barrier(6)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert post.delivered(3) == {"t0": 1, "t2": 1, "t4": 1}


@pytest.mark.parametrize("end", [transaction.abort, transaction.commit])
def test_a_forked_child_takes_nothing_away_and_doubles_nothing(
    post: Post, send: Send, end: Callable[[], None]
) -> None:
    send("one")
    in_child(end)

    transaction.commit()

    assert post.delivered(1) == {"one": 1}


def test_a_child_forked_between_vote_and_finish_takes_nothing_away(
    post: Post, send: Send
) -> None:
    send("one")
    fork = partial(in_child, lambda: transaction.get()._resources[0].tpc_abort(None))
    transaction.get().join(Other(LAST, tpc_vote=fork))

    transaction.commit()

    assert post.delivered(1) == {"one": 1}
