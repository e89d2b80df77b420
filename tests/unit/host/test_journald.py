# SPDX-License-Identifier: Apache-2.0
"""The native protocol, read back by a journal of our own."""

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from systemd import journal as libsystemd

from maildropd.host.journal import EventJournal
from maildropd.host.journald import Journald
from maildropd.mail.envelope import QueueId
from maildropd.mail.events import FileLeftAlone, RecipientDelivered
from maildropd.mail.reply import Reply
from maildropd.mail.service_events import InternalError

DELIVERED = RecipientDelivered(
    queue_id=QueueId("0ABCDEFGHJKM"),
    recipient="bob@example.net",
    relay="mx.example.net:25",
    delay=timedelta(seconds=0.31),
    reply=Reply(250, "2.0.0", "ok"),
    attempt=1,
)


class FakeJournald:
    """Listens as journald does, and reads entries back."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(10)

    def entry(self) -> dict[str, bytes]:
        return dict(_fields(self._socket.recv(1 << 20)))

    def close(self) -> None:
        self._socket.close()


def _fields(datagram: bytes) -> Iterator[tuple[str, bytes]]:
    while datagram:
        line, _, datagram = datagram.partition(b"\n")
        key, is_text, value = line.partition(b"=")
        if not is_text:
            (length,) = struct.unpack_from("<Q", datagram)
            value, datagram = datagram[8 : 8 + length], datagram[9 + length :]
        yield key.decode("ascii"), value


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeJournald]:
    """A path of a socket has at most 108 octets, so it is a relative one."""
    monkeypatch.chdir(tmp_path)
    fake = FakeJournald(Path("socket"))
    yield fake
    fake.close()


@pytest.fixture
def sink(fake: FakeJournald) -> Iterator[Journald]:
    with closing(Journald(fake.path)) as sink:
        yield sink


def test_an_event_arrives_with_text_id_and_fields(
    fake: FakeJournald, sink: Journald
) -> None:
    assert sink(DELIVERED)

    entry = fake.entry()

    assert entry["MESSAGE"].startswith(b"0ABCDEFGHJKM: to=<bob@example.net>, relay=")
    assert entry["MESSAGE_ID"].decode("ascii") == RecipientDelivered.event_id
    assert entry["PRIORITY"] == b"6"
    assert entry["SYSLOG_IDENTIFIER"] == b"maildropd"
    assert entry["MAILDROP_QUEUE_ID"] == b"0ABCDEFGHJKM"
    assert entry["MAILDROP_DSN"] == b"2.0.0"
    assert entry["MAILDROP_DELAY_USEC"] == b"310000"


def test_a_value_with_line_ends_cannot_forge_a_field(
    fake: FakeJournald, sink: Journald
) -> None:
    """Whoever drops a file chooses its name."""
    name = "x\nMAILDROP_QUEUE_ID=forged\nPRIORITY=0"

    sink(FileLeftAlone(spool="drop", file=name, reason="no"))
    entry = fake.entry()

    assert entry["MAILDROP_FILE"].decode("ascii") == name
    assert "MAILDROP_QUEUE_ID" not in entry
    assert entry["PRIORITY"] == b"4"


def test_a_name_that_is_no_text_is_shown_escaped(
    fake: FakeJournald, sink: Journald
) -> None:
    name = b"\xff.eml".decode("utf-8", "surrogateescape")

    sink(FileLeftAlone(spool="drop", file=name, reason="no"))

    assert fake.entry()["MAILDROP_FILE"] == rb"\udcff.eml"


def test_a_journal_that_does_not_listen_stops_nobody(
    fake: FakeJournald, sink: Journald
) -> None:
    """Once journald was stopped, its queue fills up, and the mail goes on."""
    journal = EventJournal(sink)

    for _ in range(1000):  # far more than max_dgram_qlen
        journal.emit(DELIVERED)
    entries = [fake.entry()]
    while not journal.catch_up():
        entries.append(fake.entry())
    while len(entries) < 1000:
        entries.append(fake.entry())

    assert all(entry == entries[0] for entry in entries)


def test_a_journal_that_comes_back_is_written_to_again(
    fake: FakeJournald, sink: Journald
) -> None:
    journal = EventJournal(sink)
    fake.close()
    journal.emit(DELIVERED)
    Path(fake.path).unlink()

    with closing(FakeJournald(Path("socket"))) as anew:
        journal.emit(DELIVERED)

        assert anew.entry()["MESSAGE_ID"].decode("ascii") == DELIVERED.event_id
        assert anew.entry()["MESSAGE_ID"].decode("ascii") == DELIVERED.event_id


HUGE = InternalError(where="attempt", error="x", traceback="line\n" * 100_000)


@pytest.fixture
def by_libsystemd(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the fields that libsystemd was given."""
    sent: list[bytes] = []
    monkeypatch.setattr(libsystemd, "sendv", lambda *fields: sent.extend(fields))
    return sent


@pytest.mark.usefixtures("fake")
def test_what_is_too_large_for_a_datagram_goes_through_libsystemd(
    sink: Journald, by_libsystemd: list[bytes]
) -> None:
    assert sink(HUGE)

    assert f"MESSAGE_ID={HUGE.event_id}".encode() in by_libsystemd
    assert f"MAILDROP_TRACEBACK={HUGE.traceback}".encode() in by_libsystemd


def test_without_libsystemd_what_is_too_large_is_sent_cut(
    fake: FakeJournald, sink: Journald, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must neither be lost nor hold up what waits behind it."""

    def refuse(*fields: bytes) -> None:
        raise OSError(errno.ENOSYS, "no memfd")

    monkeypatch.setattr(libsystemd, "sendv", refuse)

    assert sink(HUGE)

    entry = fake.entry()
    assert entry["MESSAGE_ID"].decode("ascii") == HUGE.event_id
    assert HUGE.traceback.encode().startswith(entry["MAILDROP_TRACEBACK"])


@pytest.mark.usefixtures("fake")
def test_libsystemd_is_not_called_while_the_journal_does_not_listen(
    sink: Journald, by_libsystemd: list[bytes]
) -> None:
    """It would wait, with all threads."""
    while sink(DELIVERED):
        pass

    assert not sink(HUGE)
    assert by_libsystemd == []


def test_libsystemd_is_not_called_where_there_is_no_journal(
    tmp_path: Path, by_libsystemd: list[bytes]
) -> None:
    with closing(Journald(str(tmp_path / "nothing"))) as sink:
        assert not sink(HUGE)

    assert by_libsystemd == []
