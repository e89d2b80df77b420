# SPDX-License-Identifier: Apache-2.0
"""A queue that was spoiled while no daemon ran: said, kept, and nothing made worse."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.faults import damage
from tests.faults.letters import NOT_NOW, QUICK, arrived, names, once, put, waiting
from tests.integration.daemon import DaemonProcess

Spoiler = Callable[[Path], object]
REFUSED = 78  # EX_CONFIG: systemd does not try again
QUEUED = [*names("small", 40), "large"]


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        server.on("rcpt", NOT_NOW)
        yield server


@pytest.fixture
def daemon(tmp_path: Path, server: SmtpServer) -> Iterator[DaemonProcess]:
    """A daemon that runs, with mail that was tried and waits."""
    daemon = DaemonProcess(tmp_path, server.port, QUICK)
    daemon.start()
    put(daemon, QUEUED[:-1])
    put(daemon, QUEUED[-1:], size=1)
    daemon.wait_for("RecipientDeferred", len(QUEUED))
    yield daemon
    daemon.stop()


@pytest.fixture
def state(daemon: DaemonProcess) -> Path:
    return daemon.folder / "state"


def refused(daemon: DaemonProcess, why: str) -> None:
    """Check that a start is refused with a reason and a remedy, and changes nothing."""
    put(daemon, ["new"])
    before = damage.files(daemon.folder / "state")

    done = daemon.another()

    assert done.returncode == REFUSED
    assert why in done.stderr
    assert damage.files(daemon.folder / "state") == before
    assert waiting(daemon) == {"new"}


def goes_on(daemon: DaemonProcess, server: SmtpServer) -> None:
    """Check that a daemon delivers all that was ever queued, once."""
    server.forget()
    daemon.start().wait_for("MessageDone", len(QUEUED) + 1)
    assert arrived(server) == once(QUEUED, ["new"])


AT_REST: dict[str, tuple[Spoiler, str]] = {
    "cut to nothing": (lambda path: damage.cut(path, 0), "is empty"),
    "cut to a few octets": (lambda path: damage.cut(path, 10), "is not a database"),
    "cut in the first page": (lambda path: damage.cut(path, 2048), "was cut"),
    "cut in the middle": (lambda path: damage.cut(path, 3 * 4096), "was cut"),
    "noise at the beginning": (lambda path: damage.scribble(path, 0), "not a database"),
    "noise in the schema": (lambda path: damage.scribble(path, 100), "damaged"),
}


@pytest.mark.parametrize("spoiled", AT_REST)
def test_a_spoiled_database_is_refused_with_a_copy_and_left_as_it_is(
    spoiled: str, daemon: DaemonProcess, server: SmtpServer, state: Path
) -> None:
    """Where somebody puts it back, all goes on as if nothing had been."""
    daemon.stop()
    spoil, why = AT_REST[spoiled]
    whole = (state / "queue.db").read_bytes()

    spoil(state / "queue.db")
    found = damage.files(state)
    for _ in range(2):
        refused(daemon, why)

    (copy,) = damage.copies(state)
    assert copy["queue.db"] == found["queue.db"]
    assert why in copy["README"].decode()
    (state / "queue.db").write_bytes(whole)
    goes_on(daemon, server)


LOG: dict[str, tuple[Spoiler, str]] = {
    "at its beginning": (lambda log: damage.scribble(log, 8, 16), "at its beginning"),
    "in a frame": (lambda log: damage.scribble(log, 5000, 8), "commits follow"),
}


@pytest.mark.parametrize("where", LOG)
def test_a_spoiled_log_is_not_taken_for_a_short_one(
    where: str, daemon: DaemonProcess, server: SmtpServer, state: Path
) -> None:
    """SQLite ends a log at its first wrong frame; what follows was acknowledged."""
    daemon.kill()
    log = state / "queue.db-wal"
    whole = log.read_bytes()
    spoil, why = LOG[where]

    spoil(log)
    refused(daemon, why)

    (copy,) = damage.copies(state)
    assert copy["queue.db-wal"] == log.read_bytes()
    log.write_bytes(whole)
    goes_on(daemon, server)


def test_a_log_that_ends_in_the_middle_of_a_commit_is_what_a_power_cut_leaves(
    daemon: DaemonProcess, server: SmtpServer, state: Path
) -> None:
    daemon.kill()
    shutil.copy(state / "queue.db-wal", state / "whole")

    with (state / "queue.db-wal").open("r+b") as log:
        log.seek(32)
        frames = len(list(iter(lambda: any(log.read(4120)[:24]), False)))
    damage.scribble(state / "queue.db-wal", 32 + (frames - 1) * 4120 + 100, 8)
    (state / "whole").unlink()

    server.forget()
    daemon.start()
    assert damage.copies(state) == []


@contextmanager
def no_checkpoint(state: Path) -> Iterator[None]:
    """Keep what is written from now on in the log alone: somebody reads."""
    address = f"file:{state / 'queue.db'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM message").fetchone()
        yield


def test_a_log_that_was_removed_is_missed_and_large_contents_are_kept(
    daemon: DaemonProcess, server: SmtpServer, state: Path
) -> None:
    """What was accepted since the last checkpoint is gone; say so, and go on."""
    (before,) = (state / "content").iterdir()
    with no_checkpoint(state):
        put(daemon, ["later"], size=1)
        daemon.wait_for("RecipientDeferred", len(QUEUED) + 1)
        daemon.kill()
        (content,) = {*(state / "content").iterdir()} - {before}
        (state / "queue.db-wal").unlink()

    daemon.start()

    (told,) = daemon.of("StoreDamaged")
    assert "queue.db-wal is gone" in told["MAILDROP_REASON"]
    assert "a copy is kept in" in told["MAILDROP_COPY"]
    (kept,) = daemon.of("OrphansKept")
    assert (state / "orphans" / content.name).stat().st_size > 400_000
    assert kept["MAILDROP_PATH"] == str(state / "orphans")
    assert daemon.of("OrphansSwept") == []


def test_a_database_that_is_gone_is_missed_while_anything_of_it_is_there(
    daemon: DaemonProcess, server: SmtpServer, state: Path
) -> None:
    daemon.stop()
    (state / "queue.db").rename(state.parent / "away")

    refused(daemon, "is gone, and there is mail that belongs to it")

    (state.parent / "away").rename(state / "queue.db")
    goes_on(daemon, server)


def test_a_newer_store_and_a_database_of_others_are_not_touched(
    daemon: DaemonProcess, server: SmtpServer, state: Path
) -> None:
    daemon.stop()
    path = state / "queue.db"
    with closing(sqlite3.connect(path)) as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute("PRAGMA user_version = 99")
        database.execute("PRAGMA journal_mode = DELETE")
    refused(daemon, "was written by a newer maildropd (schema 99")
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA application_id = 7")
    refused(daemon, "is a database of some other program")
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA application_id = {0x4D616944}")
        database.execute(f"PRAGMA user_version = {version}")

    assert damage.copies(state) == []
    goes_on(daemon, server)
