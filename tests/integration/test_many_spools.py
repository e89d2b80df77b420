# SPDX-License-Identifier: Apache-2.0
"""Several drops at one daemon, each watched in its own way."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

MAIL = b"##To:%s\n##From:app@example.org\nSubject: x\n\nx\n"
SPOOLS = """
[spool shop]
path = shop
quarantine = shop-quarantine
watch = poll
poll_interval = 200ms
settle_time = 0

[spool later]
path = later
quarantine = later-quarantine
poll_interval = 1s
settle_time = 0
"""


@pytest.fixture
def daemon(tmp_path: Path, server: SmtpServer) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path, server.port, SPOOLS)
    (tmp_path / "shop").mkdir()
    yield daemon.start()
    daemon.stop()


def leave(folder: Path, name: str, content: bytes) -> None:
    (folder / f".{name}").write_bytes(content)
    (folder / f".{name}").rename(folder / name)


def test_mail_from_every_drop_arrives_and_says_whence_it_came(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    daemon.wait_for("SpoolWatched", 3)
    for spool in "drop", "shop", "later":
        leave(daemon.folder / spool, "1", MAIL % f"{spool}@example.net".encode())

    accepted = daemon.wait_for("MessageAccepted", 3)
    daemon.wait_for("MessageDone", 3)

    assert {each["MAILDROP_SUBMITTER"] for each in accepted} == {
        "spool=drop",
        "spool=shop",
        "spool=later",
    }
    arrived = {path for taken in server.delivered for path in taken.recipients}
    assert arrived == {f"{spool}@example.net" for spool in ("drop", "shop", "later")}


def test_each_drop_has_its_own_quarantine(daemon: DaemonProcess) -> None:
    leave(daemon.folder / "shop", "1", b"##To\nno colon\n")

    daemon.wait_for("MessageQuarantined")

    (reason,) = (daemon.folder / "shop-quarantine").glob("*.reason")
    assert "##To" in reason.read_text()


def test_a_drop_that_vanishes_stops_no_other(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    daemon.wait_for("SpoolWatched", 3)
    (daemon.folder / "shop").rmdir()
    daemon.wait_for("SpoolUnreachable")

    leave(daemon.folder / "drop", "1", MAIL % b"drop@example.net")
    daemon.wait_for("MessageDone")
    (daemon.folder / "shop").mkdir()
    daemon.wait_for("SpoolWatched", 4)
    leave(daemon.folder / "shop", "2", MAIL % b"shop@example.net")

    daemon.wait_for("MessageDone", 2)
    assert len(server.delivered) == 2
