# SPDX-License-Identifier: Apache-2.0
"""The folder of a daemon that serves one MaildropHost configuration."""

import stat
from pathlib import Path

import pytest

from maildropd.config.layout import Layout
from maildropd.config.read import read
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.household import settle
from maildropd.foreign.maildrophost.settings import Settings


def said(home: Path, more: str = "") -> Settings:
    return Settings.parse(f'MAILDROP_HOME="{home}"\n{more}', "config")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_has_a_configuration_and_the_places_that_it_names(tmp_path: Path) -> None:
    home = tmp_path / "var" / "maildrop"
    folder = settle(said(home, 'MAILDROP_LOGIN="u"\nMAILDROP_PASSWORD="s3cret"'))
    config = read(Layout.of_path(folder))

    assert folder == home / "maildropd"
    assert [spool.path for spool in config.spools] == [home / "spool"]
    assert (home / "spool").is_dir()
    assert (home / "var").is_dir()
    assert config.relay.password_file == folder / "password"
    assert (folder / "password").read_bytes() == b"s3cret\n"
    assert (mode(folder), mode(folder / "password")) == (0o700, 0o600)
    assert mode(folder / "maildropd.conf") == 0o600


def test_a_second_time_all_is_new_but_the_queue(tmp_path: Path) -> None:
    login = 'MAILDROP_LOGIN="u"\nMAILDROP_PASSWORD="s3cret"'
    folder = settle(said(tmp_path, login))
    (folder / "state").mkdir()

    assert settle(said(tmp_path, "SMTP_PORT=2525")) == folder

    assert read(Layout.of_path(folder)).relay.port == 2525
    assert not (folder / "password").exists()
    assert (folder / "state").is_dir()


def test_what_cannot_be_made_is_said_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")

    with pytest.raises(Unreadable, match=rf"^{tmp_path}/spool: cannot be made \(fi"):
        settle(said(tmp_path))


def test_what_cannot_be_said_changes_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="SMTP_HOST"):
        settle(said(tmp_path / "new", 'SMTP_HOST="no host"'))

    assert not (tmp_path / "new").exists()
