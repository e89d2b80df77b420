# SPDX-License-Identifier: Apache-2.0
"""Mail of transactions that are not the only one: managers, threads, processes."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import transaction
from transaction.interfaces import NoTransaction

from tests.frameworks.managers import LAST, Other
from tests.frameworks.post import Post, Send, in_child
from tests.integration.daemon import HOME


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
    def fork() -> None:
        in_child(lambda: transaction.get()._resources[0].tpc_abort(None))
        assert len(post.hidden()) == 1

    send("one")
    transaction.get().join(Other(LAST, tpc_vote=fork))

    transaction.commit()

    assert post.delivered(1) == {"one": 1}


# A child that ends as programs do, with all that Python does at the end.
PROGRAM = """
import atexit, os
import transaction
from maildropd.integrations.transactions import send
from tests.frameworks.managers import LAST, Other
from tests.frameworks.post import in_child, mail

send(mail("one"), "shop@example.org", ["one@example.net"])
def fork():
    in_child(atexit._run_exitfuncs)
    (file,) = os.listdir(os.environ["MAILDROP_DROP"])
    assert file.startswith(".")

transaction.get().join(Other(LAST, tpc_vote=fork))
transaction.commit()
"""


def test_a_child_that_comes_to_its_end_takes_nothing_away(post: Post) -> None:
    subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=HOME,
        env={**os.environ, **post.environment},
        check=True,
    )

    assert post.delivered(1) == {"one": 1}
