# SPDX-License-Identifier: Apache-2.0
"""Damage to a part of the queue, or somebody's lock: the rest of it goes on."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.faults import damage
from tests.faults.letters import (
    NOT_NOW,
    QUICK,
    arrived,
    names,
    once,
    put,
    took,
    waiting,
)
from tests.integration.daemon import HOME, DaemonProcess

QUEUED = names("queued", 300)


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        server.on("rcpt", NOT_NOW)
        yield server


@pytest.fixture
def daemon(tmp_path: Path, server: SmtpServer) -> Iterator[DaemonProcess]:
    """A daemon at rest, with many mails that were tried and are due."""
    daemon = DaemonProcess(tmp_path, server.port, QUICK)
    daemon.start()
    put(daemon, QUEUED)
    daemon.wait_for("RecipientDeferred", len(QUEUED))
    daemon.stop()
    server.forget()
    yield daemon
    daemon.stop()


@pytest.fixture
def path(daemon: DaemonProcess) -> Path:
    return daemon.folder / "state" / "queue.db"


def unreadable(daemon: DaemonProcess) -> int:
    return daemon.count("MessageUnreadable")


def finished(daemon: DaemonProcess) -> int:
    return daemon.count("RecipientDelivered")


@pytest.mark.parametrize("table", ["recipient", "message"])
def test_the_messages_of_a_spoiled_page_are_left_alone_and_all_others_delivered(
    table: str, daemon: DaemonProcess, server: SmtpServer, path: Path
) -> None:
    damage.spoil(path, table)

    daemon.start()
    put(daemon, ["new"])
    server.wait(lambda server: arrived(server)["new"] == 1, 30)
    daemon.until(lambda: finished(daemon) + unreadable(daemon) > len(QUEUED), "end")

    came = arrived(server)
    (told,) = daemon.of("StoreDamaged")
    assert f"table {table}" in told["MAILDROP_REASON"]
    assert came["new"] == 1
    assert 0 < unreadable(daemon) < len(QUEUED) * 2 / 3
    assert set(came.values()) == {1}
    assert len(came) > len(QUEUED) / 3
    (copy,) = damage.copies(path.parent)
    assert "queue.db" in copy


def test_a_spoiled_content_is_held_and_all_others_delivered(
    daemon: DaemonProcess, server: SmtpServer, path: Path
) -> None:
    damage.spoil(path, "content")

    daemon.start()
    daemon.until(
        lambda: finished(daemon) + daemon.count("ContentLost") >= len(QUEUED), "end"
    )

    assert 0 < daemon.count("ContentLost") < len(QUEUED) * 2 / 3
    assert len(arrived(server)) == len(QUEUED) - daemon.count("ContentLost")
    assert set(arrived(server).values()) == {1}


def test_what_is_spoiled_while_it_runs_is_told_once_with_a_copy(
    daemon: DaemonProcess, server: SmtpServer, path: Path
) -> None:
    """A page that is in memory is good until it has to be read again."""
    server.on("rcpt", NOT_NOW)
    daemon.start()
    for table in ("recipient", "message", "content"):
        for place in damage.leaves(path, table):
            damage.scribble(path, place, damage.PAGE)

    daemon.control("flush")
    daemon.wait_for("StoreDamaged")
    put(daemon, ["new"])
    daemon.control("queue")

    assert daemon.count("StoreDamaged") == 1
    (copy,) = damage.copies(path.parent)
    assert "queue.db" in copy
    assert daemon.stop() == 0
    assert len(damage.copies(path.parent)) == 1


def test_what_the_manual_says_brings_back_what_can_be_read(
    daemon: DaemonProcess, server: SmtpServer, path: Path
) -> None:
    """The first page is gone, with all that says what is where."""
    damage.scribble(path, 0, damage.PAGE)
    assert daemon.another().returncode == 78
    told = (HOME / "docs/man/maildropd.8").read_text()
    assert "# maildropctl salvage\n" in told

    done = daemon.control("salvage")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("300 messages saved\n")
    daemon.start()
    server.wait(took(len(QUEUED)), 30)
    assert arrived(server) == once(QUEUED)


def test_a_salvage_says_how_much_could_not_be_read_and_keeps_the_old_files(
    daemon: DaemonProcess, server: SmtpServer, path: Path
) -> None:
    damage.spoil(path, "recipient")
    spoiled = path.read_bytes()

    done = daemon.control("salvage")

    saved, unread = map(int, re.findall(r"(\d+) messages", done.stdout))
    assert saved + unread == len(QUEUED)
    assert 0 < unread < len(QUEUED) / 2
    (kept,) = path.parent.glob("damaged-*/queue.db")
    assert kept.read_bytes() == spoiled
    daemon.start()
    server.wait(took(saved), 30)
    assert set(arrived(server).values()) == {1}


def test_a_lock_of_another_program_is_waited_for_at_work(
    daemon: DaemonProcess, server: SmtpServer, path: Path
) -> None:
    """Whoever looks into the queue by hand may forget to look away."""
    daemon.start()

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        put(daemon, ["new"])
        (told,) = daemon.wait_for("StoreTrouble")
        assert waiting(daemon) == {"new"}
        other.execute("ROLLBACK")

    assert "locked by another program" in told["MAILDROP_REASON"]
    server.wait(lambda server: arrived(server)["new"] == 1, 30)
    assert daemon.count("StoreTrouble") == 1


def test_a_lock_that_passes_delays_a_start_and_one_that_stays_puts_it_off(
    daemon: DaemonProcess, server: SmtpServer, path: Path
) -> None:
    """Status 1: systemd tries again."""
    put(daemon, ["new"])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        done = daemon.another()

        assert done.returncode == 1
        assert "locked by another program" in done.stderr
        assert waiting(daemon) == {"new"}
        starting = threading.Thread(target=daemon.start)
        starting.start()
        daemon.wait_for("ServiceStarting")
    starting.join()
    server.wait(lambda server: arrived(server)["new"] == 1, 30)
    assert damage.copies(path.parent) == []
