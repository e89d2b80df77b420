# SPDX-License-Identifier: Apache-2.0
"""Kill or fail a daemon at each system call between a Maildir and the store.

docs/QUEUE.md, "A Maildir", says what is left by each; here it is looked at.
"""

import errno
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from maildropd.config.model import Form
from maildropd.foreign.maildirs import forms
from tests.crash.test_drop import BAD, Host, count_calls, folder, hosts

__all__ = ("folder",)  # the fixture

NAMES = ("1700000000.1.h.1", "1700000000.1.h.2", "1700000000.1.h.3")
STUCK = NAMES[0]


def message(name: str) -> bytes:
    return f"Subject: {name}\n\nhi\n".encode()


class Queue(Host):
    """The same with a Maildir: one of three mails was given up by another sender."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for left in self.drop.iterdir():
            left.unlink()
        self.drop = self.drop.rename(folder / "new")
        self.config = replace(self.config, path=self.drop, form=Form.MAILDIR)
        for name in NAMES:
            octets = forms.zope("a@x.example", ["b@x.example"], message(name))
            (self.drop / name).write_bytes(octets)
        (self.drop / "bad").write_bytes(BAD)
        mark = self.drop / f".sending-{STUCK}"
        mark.hardlink_to(self.drop / STUCK)
        long_ago = time.time() - 4 * 60 * 60
        os.utime(mark, (long_ago, long_ago))

    def touch(self) -> None:
        """Look at all mails as another sender does that finds ours marked too late.

        What has a mark that is linked to it is looked at first, and not touched.
        """
        for mail in self.drop.iterdir():
            if not mail.name.startswith(".") and mail.stat().st_nlink == 1:
                os.utime(mail)

    def check(self) -> None:
        """All mails are stored once, no mark is left, and junk is set aside once."""
        assert sorted(self.contents()) == sorted(map(message, NAMES))
        assert os.listdir(self.drop) == []
        found = [name for name in os.listdir(self.quarantine) if name[0] != "."]
        (aside,) = [name for name in found if not name.endswith(".reason")]
        assert (self.quarantine / aside).read_bytes() == BAD


@pytest.mark.parametrize("touched", [False, True])
def test_a_daemon_killed_at_any_step_leaves_each_mail_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, touched: bool
) -> None:
    for step, _ in hosts(folder):
        host = Queue(folder / f"queue{step}")
        if not host.work_and_die(step, monkeypatch):
            break
        if touched:
            host.touch()

        host.work()

        host.check()
    assert step > 30


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_call_that_fails_leaves_each_mail_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    failed: list[int] = []

    def fail() -> None:
        failed.append(number)
        raise OSError(number, os.strerror(number))

    for step, _ in hosts(folder):
        host = Queue(folder / f"queue{step}")
        with monkeypatch.context() as patch:
            host.work(partial(count_calls, step, fail, patch))
        if len(failed) < step:
            break

        host.work()

        host.check()
    assert step > 30
