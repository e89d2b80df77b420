# SPDX-License-Identifier: Apache-2.0
"""A disk that fills up while an old queue is taken over: that stays whole."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.faults.disk import Disk, ext4
from tests.faults.letters import NOT_NOW
from tests.integration.daemon import DaemonProcess

MAILS, SIZE = 100, 400_000
CONFIG = """\
[daemon]
state_directory = {root}/state
[queue]
disk_reserve = 4M
first_retry = 1s
slowest_retry = 1s
[submission]
check_senders = no
"""
IMPORT = ("import-queue", "maildrophost")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Half as large as what is to come."""
    with ext4(tmp_path, "24M") as disk:
        yield disk


@pytest.fixture
def daemon(tmp_path: Path, disk: Disk, server: SmtpServer) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path, server.port, CONFIG.format(root=disk.root))
    yield daemon
    daemon.stop()


@pytest.fixture
def spool(tmp_path: Path) -> str:
    folder = tmp_path / "old"
    folder.mkdir()
    for number in range(MAILS):
        head = b"##To:r%d@example.net\n##From:a@example.org\n" % number
        text = b"Subject: s\n\n" + b"0123456789abcde\n" * (SIZE // 16)
        (folder / f"{number:03}").write_bytes(head + text)
    return str(folder)


def test_a_disk_that_fills_up_in_the_middle_of_an_import_loses_and_doubles_nothing(
    daemon: DaemonProcess, server: SmtpServer, spool: str
) -> None:
    server.on("rcpt", NOT_NOW)
    daemon.start()

    said = daemon.control(*IMPORT, spool, "--remove")

    assert said.returncode == 1
    assert "maildropd takes no mail now: 452" in said.stderr
    assert "nothing was removed; run this again" in said.stderr
    taken = len(daemon.of("MessageAccepted"))
    assert 0 < taken < MAILS
    assert len(os.listdir(spool)) == MAILS

    server.forget()
    for _ in range(MAILS):
        daemon.control("flush")
        daemon.wait_for("MessageDone", daemon.count("MessageAccepted"))
        if daemon.control(*IMPORT, spool, "--remove").returncode == 0:
            break

    assert os.listdir(spool) == []
    daemon.wait_for("MessageDone", MAILS)
    assert set(Counter(each.recipients for each in server.delivered).values()) == {1}
    assert len(server.delivered) == MAILS
