# SPDX-License-Identifier: Apache-2.0
"""Mail and a ZODB in one transaction: conflicts, and a kill at each step."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import transaction
import ZODB
from ZODB.FileStorage import FileStorage

from maildropd.integrations.transactions import send
from tests.frameworks.post import SENDER, Post, mail
from tests.integration.daemon import HOME


def test_mail_of_a_transaction_that_was_tried_three_times_is_sent_once(
    post: Post, tmp_path: Path
) -> None:
    """The reason for all of this: reminders of a shop that came seven times."""
    database = ZODB.DB(FileStorage(str(tmp_path / "Data.fs")))
    manager = transaction.TransactionManager()
    tries: list[int] = []

    def order() -> None:
        tries.append(len(tries))
        root = database.open(manager).root()
        root["orders"] = root.get("orders", 0) + 1
        to = ["bob@example.net"]
        send(mail("one"), SENDER, to, transaction_manager=manager, door=post.door)
        if len(tries) < 3:
            _meanwhile(database)

    manager.run(order, 5)
    database.close()

    assert len(tries) == 3
    assert post.delivered(1) == {"one": 1}


def _meanwhile(database: Any) -> None:
    """Commit something else to the same object: a conflict for everybody else."""
    other = transaction.TransactionManager()
    connection = database.open(other)
    connection.root()["orders"] = 100
    other.commit()
    connection.close()


# What a program does; it is killed by another participant of the transaction.
PROGRAM = """
import os, signal, sys
import transaction, ZODB
from ZODB.FileStorage import FileStorage
from maildropd.integrations.transactions import send
from tests.frameworks.managers import Other
from tests.frameworks.post import mail

data, key, step = sys.argv[1:]
root = ZODB.connection(FileStorage(data)).root()
root["order"] = 7
for subject in ("one", "two"):
    send(mail(subject), "shop@example.org", [subject + "@example.net"])
kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
transaction.get().join(Other(key, **{step: kill}))
transaction.commit()
"""

# Where the kill comes: before or behind all others at this step, and what of the
# order and of the mail there is afterwards.
KILLS = [
    ("!", "tpc_begin", set()),
    ("~~", "commit", set()),
    ("!", "tpc_vote", set()),
    ("~~", "tpc_vote", set()),
    ("!", "tpc_finish", set()),
    ("~a", "tpc_finish", {"order"}),
    ("~~", "tpc_finish", {"order", "mail"}),
]


@pytest.mark.parametrize(("key", "step", "left"), KILLS)
def test_a_program_that_is_killed_leaves_all_of_its_mail_or_none(
    post: Post, tmp_path: Path, key: str, step: str, left: set[str]
) -> None:
    data = tmp_path / "Data.fs"

    assert _killed(post, data, key, step)
    assert ("order" in _root(data)) is ("order" in left)
    expected = {"one": 1, "two": 1} if "mail" in left else {}
    assert post.delivered(len(expected)) == expected
    # No lock, nor anything else that the next program would stumble over.
    assert all(each.name.startswith(".") for each in post.files())
    assert len(post.hidden()) <= 1


# The same, killed before one of its calls to the system: number N of them.
DEADLY = """
import os, signal, sys
import transaction, ZODB
from ZODB.FileStorage import FileStorage
from maildropd.client import frames, staged
from maildropd.integrations.transactions import send
from tests.frameworks.post import mail

data, left = sys.argv[1], int(sys.argv[2])

class Deadly:
    def __getattr__(self, name):
        global left
        found = getattr(os, name)
        if callable(found) and name != "fspath":
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return found

root = ZODB.connection(FileStorage(data)).root()
root["order"] = 7
for subject in ("one", "two"):
    send(mail(subject), "shop@example.org", [subject + "@example.net"])
frames.os = staged.os = Deadly()
transaction.commit()
"""


def test_a_program_that_is_killed_at_any_call_leaves_all_of_its_mail_or_none(
    post: Post, tmp_path: Path
) -> None:
    left: list[list[int]] = []  # mails in each file that leaves
    done = False
    while not done:
        data = tmp_path / f"{len(left)}.fs"
        done = not _killed(post, data, str(len(left)), program=DEADLY)

        visible = [each for each in post.files() if each not in post.hidden()]
        left.append([each.read_bytes().count(b"#!sendmail") for each in visible])
        assert left[-1] in ([], [2])
        if left[-1]:
            assert "order" in _root(data)  # no mail of what is not in the database
        for path in post.files():
            path.unlink()

    assert len(left) > 8  # from the making of the file to its new name
    assert left[-1] == [2]


def test_what_a_kill_left_behind_is_reported_and_can_be_sent_by_hand(
    post: Post, tmp_path: Path
) -> None:
    """Whether its database committed, only a person can tell."""
    assert _killed(post, tmp_path / "Data.fs", "~a", "tpc_finish")
    post.daemon.configure("[spool drop]\nlock_expiry = 1s\npoll_interval = 1s\n")
    post.daemon.start()
    post.daemon.wait_for("MessageQuarantined")
    assert post.files() == []

    (kept,) = (each for each in post.quarantine.iterdir() if each.suffix != ".reason")
    kept.rename(post.drop / "sent-by-hand")
    post.daemon.wait_for("MessageDone", 2)
    post.daemon.stop()

    assert post.subjects() == {"one": 1, "two": 1}


def _killed(post: Post, data: Path, *words: str, program: str = PROGRAM) -> bool:
    ran = subprocess.run(
        [sys.executable, "-c", program, data, *words],
        cwd=HOME,
        env={**os.environ, **post.environment},
        check=False,
    )
    assert ran.returncode in (0, -signal.SIGKILL)
    return ran.returncode != 0


def _root(data: Path) -> dict[str, Any]:
    database = ZODB.DB(FileStorage(str(data)))
    with database.transaction() as connection:
        found = dict(connection.root())
    database.close()
    return found
