# SPDX-License-Identifier: Apache-2.0
"""Which files are read, and which may be missing."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from maildropd.config import said
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.read import read
from tests.unit.config.reading import mistakes


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    missing = tmp_path / "maildropd.conf"

    with pytest.raises(ConfigErrors) as caught:
        read(Layout.of_path(missing))

    assert caught.value.lines == [
        f"{missing}: cannot be read (no such file or directory)"
    ]


def test_a_file_that_cannot_be_read_is_a_mistake(main: Path) -> None:
    main.unlink()
    main.mkdir()

    with pytest.raises(ConfigErrors, match=r"cannot be read \(is a directory\)"):
        read(replace(Layout.of_path(main.parent), config=main))


def test_a_folder_that_is_none_is_a_mistake(main: Path) -> None:
    main.with_name("maildropd.conf.d").write_text("")

    with pytest.raises(ConfigErrors, match=r"cannot be read \(not a directory\)"):
        read(Layout.of_path(main))


def test_a_huge_file_is_refused(main: Path) -> None:
    assert mistakes(main, b"#" * (1 << 20) + b"##") == [
        "maildropd.conf: is too large for a configuration file"
    ]


def test_the_hosts_own_daemon_needs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "SYSTEM", tmp_path)
    host = replace(Layout.of_host(), config=tmp_path / "maildropd.conf")

    config = read(host)

    assert config.daemon.state_directory == Path("/var/lib/maildropd")
    assert config.spools[0].quarantine == Path("/var/spool/maildrop/quarantine")


def test_the_hosts_own_daemon_needs_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "SYSTEM", tmp_path / "nothing")
    host = replace(Layout.of_host(), config=tmp_path / "nothing/maildropd.conf")

    with pytest.raises(ConfigErrors, match="cannot be read"):
        read(host)


def test_a_named_instance_needs_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was mistyped must not become a daemon of its own."""
    monkeypatch.setattr(said, "SYSTEM", tmp_path)
    instance = replace(Layout.of_host("tpyo"), config=tmp_path / "tpyo.conf")

    with pytest.raises(ConfigErrors, match=r"tpyo\.conf: cannot be read"):
        read(instance)


def test_a_named_instance_may_be_all_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "SYSTEM", tmp_path)
    (tmp_path / "x.conf.d").mkdir()
    (tmp_path / "x.conf.d/a.conf").write_text("[relay a]\nhost = mx\n")

    config = read(replace(Layout.of_host("x"), config=tmp_path / "x.conf"))

    assert config.relay.host == "mx"
    assert config.daemon.runtime_directory == Path("/run/maildropd-x")


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("[relay a]\nhost = mx\n")

    assert read(Layout.of_path(Path(os.path.relpath(tmp_path / "own")))).relay.host == (
        "mx"
    )
