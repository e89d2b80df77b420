# SPDX-License-Identifier: Apache-2.0
"""A Maildir of another user's, as a daemon meets it that may not do everything."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from maildropd.foreign.maildirs import forms
from tests.fakes.smtp_server import SmtpServer
from tests.faults.input_stage import AS_A_SERVICE
from tests.integration.daemon import DaemonProcess

SITE = 2001  # a user who is nobody here
MAY_READ = ["setpriv", "--bounding-set", "-dac_override", "--"]


def maildir(folder: Path) -> Path:
    """Make what the guide makes: the site's, open to the group of the service."""
    path = folder / "mailqueue"
    for part in (path, path / "new", path / "cur", path / "tmp"):
        part.mkdir()
        os.chown(part, SITE, os.getegid())
        part.chmod(0o2770)
    return path


def leave(path: Path, name: str, mode: int) -> None:
    """Queue a mail as a program of the site does."""
    file = path / "tmp" / name
    message = f"Subject: {name}\n\nhi\n".encode()
    file.write_bytes(forms.zope("a@example.org", ["b@example.net"], message))
    os.chown(file, SITE, os.getegid())
    file.chmod(mode)
    file.rename(path / "new" / name)


@contextmanager
def served(
    folder: Path, path: Path, within: list[str], server: SmtpServer
) -> Iterator[DaemonProcess]:
    """Run the daemon with fewer rights than root has."""
    config = f"[spool site]\nform = maildir\npath = {path}\npoll_interval = 100ms\n"
    daemon = DaemonProcess(folder, server.port, config)
    daemon.within = within
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()


def test_mail_that_only_its_owner_may_read_stays_and_the_rest_goes(
    tmp_path: Path, server: SmtpServer
) -> None:
    path = maildir(tmp_path)

    with served(tmp_path, path, AS_A_SERVICE, server) as daemon:
        leave(path, "closed", 0o600)
        leave(path, "open", 0o640)
        (left,) = daemon.wait_for("FileLeftAlone")
        daemon.wait_for("RecipientDelivered")

        assert "0640 is enough" in left["MESSAGE"]
        assert daemon.of("MessageQuarantined") == []
        daemon.until(lambda: os.listdir(path / "new") == ["closed"], "closed alone")

        (path / "new" / "closed").chmod(0o640)
        daemon.wait_for("RecipientDelivered", 2)


def test_with_the_right_to_read_all_of_it_goes(
    tmp_path: Path, server: SmtpServer
) -> None:
    """What the guide of gs.email gives the service, and no more."""
    path = maildir(tmp_path)
    leave(path, "closed", 0o600)

    with served(tmp_path, path, MAY_READ, server) as daemon:
        daemon.wait_for("RecipientDelivered")
        daemon.until(lambda: not os.listdir(path / "new"), "empty new")
