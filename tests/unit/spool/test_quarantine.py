# SPDX-License-Identifier: Apache-2.0
"""The quarantine: nothing in it is ever lost, replaced, or without a reason."""

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from maildropd.mail.events import FileLeftAlone
from tests.unit.spool.stage import CONTENT, MAIL, Stage


def test_what_is_set_aside_stays_as_it_is(stage: Stage) -> None:
    content = b"\xff\xfe no mail\r\n\0"
    stage.write("odd", content)

    stage.rest()

    name, _ = stage.quarantined()
    assert (stage.config.quarantine / name).read_bytes() == content
    assert stage.config.quarantine.stat().st_mode & 0o777 == 0o700


def test_the_note_says_what_where_whose_and_what_to_do(stage: Stage) -> None:
    stage.write(b"odd\xff\n", b"no mail")

    stage.rest()

    note = (stage.config.quarantine / stage.quarantined()[1]).read_text()
    assert rf"{stage.path}/odd\xff\n" in note
    assert f"uid {os.getuid()}" in note
    assert "move" in note


@pytest.mark.parametrize("start", [b"n" * 254, b"\xff" * 254])
def test_nothing_in_the_quarantine_is_ever_replaced(stage: Stage, start: bytes) -> None:
    """Long names are cut to make room, and then may be the same."""
    for end in b"abc":
        stage.write(start + bytes([end]), bytes([end]))

    stage.rest()

    found = [stage.config.quarantine / name for name in stage.quarantined()]
    mails = [path.read_bytes() for path in found if path.suffix != ".reason"]
    assert sorted(mails) == [b"a", b"b", b"c"]
    assert len(found) == 6


def test_a_file_that_somebody_put_there_is_not_replaced_either(stage: Stage) -> None:
    stage.write("odd", b"no mail")
    stage.run()
    stage.clock.forward(timedelta(seconds=6))
    name = f"{stage.clock.now():%Y%m%dT%H%M%SZ}-odd"
    stage.config.quarantine.mkdir()
    (stage.config.quarantine / name).write_bytes(b"somebody's")

    stage.run()

    assert (stage.config.quarantine / name).read_bytes() == b"somebody's"
    assert len(stage.quarantined()) == 3


def test_a_reason_that_lost_its_file_is_not_replaced(stage: Stage) -> None:
    """A crash came between the two; the file comes again under another name."""
    stage.write("odd", b"no mail")
    stage.run()
    stage.clock.forward(timedelta(seconds=6))
    name = f"{stage.clock.now():%Y%m%dT%H%M%SZ}-odd"
    stage.config.quarantine.mkdir()
    (stage.config.quarantine / f"{name}.reason").write_bytes(b"before")

    stage.run()

    assert (stage.config.quarantine / f"{name}.reason").read_bytes() == b"before"
    assert len(stage.quarantined()) == 3


def test_a_file_that_was_set_aside_is_so_after_a_power_cut_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced = os.fsync, []

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    stage.write("odd", b"no mail")
    stage.run()
    monkeypatch.setattr(os, "fsync", fsync)

    stage.rest()

    assert synced[-2:] == [str(stage.config.quarantine), str(stage.path)]
    assert any(path.endswith(".reason.tmp") for path in synced)


def test_a_quarantine_on_another_disk_gets_a_copy(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    stage.write("odd", b"no mail")
    (stage.path / "link").symlink_to("nowhere")
    stage.run()
    monkeypatch.setattr(os, "rename", rename)

    stage.rest()

    assert stage.names() == ["link"]
    name, note = stage.quarantined()
    assert note == name + ".reason"
    assert (stage.config.quarantine / name).read_bytes() == b"no mail"
    (event,) = stage.journal.of(FileLeftAlone)
    assert "cross-device" in event.reason


def test_a_copy_of_what_was_replaced_meanwhile_is_not_kept(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(*_: object, **__: object) -> None:
        (stage.path / "odd").write_bytes(MAIL)
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    stage.write("odd", b"no mail")
    stage.run()
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        stage.rest()
    assert stage.quarantined() == []
    stage.rest()

    assert stage.contents == [CONTENT]


def test_a_file_that_is_replaced_by_a_mail_is_not_set_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was judged by what it was; what it is now deserves a look of its own."""
    stage.write("odd", b"no mail")
    stage.run()
    aside = stage.pickup._taker._failing._quarantine
    reserve = aside._reserve

    def replace_first(*args: Any) -> Path:
        (stage.path / ".new").write_bytes(MAIL)
        (stage.path / ".new").rename(stage.path / "odd")
        return reserve(*args)

    with monkeypatch.context() as patch:
        patch.setattr(aside, "_reserve", replace_first)
        stage.rest()
    stage.rest()

    assert stage.contents == [CONTENT]
    assert stage.quarantined() == []
