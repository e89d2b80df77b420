# SPDX-License-Identifier: Apache-2.0
"""maildropctl import-config: shown, checked, written, and never over anything."""

import os
import stat
from pathlib import Path

import pytest

from maildropd.config.layout import Layout
from maildropd.config.read import read
from tests.unit.cli.talk import Ctl

MSMTPRC = """\
account default
host smtp.example.net
tls on
auth on
user joe
password se'cr"et
syslog on
"""


@pytest.fixture
def theirs(folder: Path) -> Path:
    path = folder / "msmtprc"
    path.write_text(MSMTPRC)
    return path


@pytest.fixture
def written(folder: Path) -> Path:
    return folder / "maildropd.conf.d" / "50-imported-msmtp.conf"


def test_it_is_shown_with_remarks_and_without_the_password(
    ctl: Ctl, folder: Path, theirs: Path, written: Path
) -> None:
    said = ctl("import-config", "msmtp", str(theirs))

    assert said.code == 0
    assert "\nhost = smtp.example.net\n" in said.out
    assert f"{theirs}:7: syslog: " in said.out
    assert str(written) in said.out
    assert "se'cr" not in said.out + said.err
    assert sorted(os.listdir(folder)) == ["maildropd.conf", "msmtprc"]


def test_what_is_shown_is_a_configuration(ctl: Ctl, folder: Path, theirs: Path) -> None:
    said = ctl("import-config", "msmtp", str(theirs))

    (folder / "maildropd.conf").write_text(said.out)
    assert read(Layout.of_path(folder)).relay.host == "smtp.example.net"


def test_it_is_written_with_the_password_closed_to_others(
    ctl: Ctl, folder: Path, theirs: Path, written: Path
) -> None:
    said = ctl("import-config", "msmtp", str(theirs), "--write")

    secret = folder / "credentials" / "msmtp"
    assert said.code == 0
    assert secret.read_text() == "se'cr\"et"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(secret.parent.stat().st_mode) == 0o700
    assert "se'cr" not in written.read_text() + said.out
    relay = read(Layout.of_path(folder)).relay
    assert (relay.username, relay.password_credential) == ("joe", "msmtp")


def test_once_more_changes_nothing(ctl: Ctl, theirs: Path, written: Path) -> None:
    ctl("import-config", "msmtp", str(theirs), "--write")
    before = written.stat()

    said = ctl("import-config", "msmtp", str(theirs), "--write")

    assert said.code == 0
    assert f"{written}: is up to date" in said.out
    after = written.stat()  # it was read, so that its atime may be another
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


def test_what_was_changed_by_hand_is_replaced_only_by_force(
    ctl: Ctl, theirs: Path, written: Path
) -> None:
    ctl("import-config", "msmtp", str(theirs), "--write")
    mine = written.read_text() + "# mine\n"
    written.write_text(mine)

    said = ctl("import-config", "msmtp", str(theirs), "--write")

    assert said.code == 1
    assert f"{written}: is there already" in said.err
    assert written.read_text() == mine
    assert ctl("import-config", "msmtp", str(theirs), "--write", "--force").code == 0
    assert "mine" not in written.read_text()


def test_what_the_daemon_would_refuse_is_not_written(
    ctl: Ctl, folder: Path, theirs: Path, written: Path
) -> None:
    (folder / "maildropd.conf").write_text("[relay other]\nhost = a.example\n")

    said = ctl("import-config", "msmtp", str(theirs), "--write")

    assert said.code == 1
    assert "must name one of" in said.err
    assert f"{folder}/maildropd.conf" in said.err
    assert not written.exists()


def test_another_import_beside_it_is_said(
    ctl: Ctl, theirs: Path, written: Path
) -> None:
    """Both may say how the smarthost is reached, and half of each would count."""
    other = written.with_name("50-imported-dma.conf")
    other.parent.mkdir()
    other.write_text("[relay smarthost]\nport = 587\n")

    assert f"# {other}: is there, too" in ctl("import-config", "msmtp", str(theirs)).out
    said = ctl("import-config", "msmtp", str(theirs), "--write")

    assert f"\n{other}: is there, too" in said.out


def test_without_systemd_a_file_is_named(ctl: Ctl, folder: Path, theirs: Path) -> None:
    secrets = folder / "secrets"

    ctl("import-config", "msmtp", str(theirs), "--write", "--secrets", str(secrets))

    assert (secrets / "msmtp").read_text() == "se'cr\"et"
    assert read(Layout.of_path(folder)).relay.password_file == secrets / "msmtp"


@pytest.mark.parametrize(
    ("system", "text", "words"),
    [
        ("msmtp", "account x\nhots y\n", "msmtprc:2: hots is no command"),
        ("msmpt", "", "msmpt: is none of"),
        ("msmtp", None, "msmtprc: no such file or directory"),
    ],
)
def test_what_cannot_be_read_is_an_error(
    ctl: Ctl, theirs: Path, system: str, text: str | None, words: str
) -> None:
    if text is None:
        theirs.unlink()
    else:
        theirs.write_text(text)

    said = ctl("import-config", system, str(theirs), "--write")

    assert said.code == 1
    assert words in said.err
    assert not said.out


def test_a_fifo_in_its_place_is_not_waited_for(ctl: Ctl, theirs: Path) -> None:
    theirs.unlink()
    os.mkfifo(theirs)

    said = ctl("import-config", "msmtp", str(theirs))

    assert "is not a file" in said.err
