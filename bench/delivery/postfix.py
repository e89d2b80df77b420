# SPDX-License-Identifier: Apache-2.0
"""Postfix for the course: bench/postfix.py's settings, and queue files by the many.

A few mails are handed over to Postfix itself; what it made of them is copied as
often as is needed, each under the name that its inode demands.
"""

import os
import smtplib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from bench import mails
from bench.delivery.group import Group, group
from bench.delivery.network import SERVER
from bench.delivery.rooted import Rooted, at_rest, emptied, files
from bench.delivery.side import Begun, From, Load
from bench.submission import peers
from bench.submission.contender import Call
from bench.submission.debian import MAIL
from bench.submission.runs import called

_ORIGINALS = 200
_SMTPD = "127.0.0.2"
_LATER = 2 * 86400  # seconds until a deferred one is tried without being told to
_WAITING = ("maildrop", "incoming", "active", "deferred")
_ALL = (*_WAITING, "defer", "bounce", "hold")
_LARGEST = 50_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A queue file as Postfix has written it."""

    octets: bytes
    mode: int
    owner: int
    group: int


class Postfix:
    """One Postfix, for one run after the other."""

    name = "Postfix"

    def __init__(self, root: Path, groups: Path) -> None:
        self._rooted = Rooted(peers.postfix(SERVER), root)
        self._spool = root / "var/spool/postfix"
        self._groups = groups
        self._originals: dict[tuple[From, int, int], list[Original]] = {}
        self._set(f"message_size_limit={_LARGEST}", "mailbox_size_limit=0")

    def takes(self, load: Load) -> bool:
        """Any."""
        return load.count > 0

    def fill(self, load: Load) -> None:
        """Put copies where mails wait."""
        emptied(self._spool / "pid")
        self._empty()
        key = (load.where, load.size, load.recipients)
        if key not in self._originals:
            most = max(1, min(_ORIGINALS, _LARGEST // load.size))
            self._originals[key] = list(self._made(load, min(load.count, most)))
            self._empty()
        originals = islice(cycle(self._originals[key]), load.count)
        if load.where is From.DROP:
            _copy(originals, self._spool, lambda _: "maildrop")
        else:
            _copy(originals, self._spool, lambda name: f"deferred/{name[0]}")

    def begin(self, group: Group, load: Load) -> Begun:
        """Start it; a queue is flushed when it has come to rest.

        In its favour a drop counts from when it has started: its start is a
        script that looks at everything first.
        """
        self.start(group, load.connections)
        if load.where is From.QUEUE:
            at_rest(group)
        begun = Begun(at=time.monotonic(), cpu=group.cpu())
        if load.where is From.QUEUE:
            self._rooted.run(("postqueue", "-f"), group)
        return begun

    def start(self, group: Group, connections: int = 0) -> None:
        """Start it, with as many connections to the server; 0 are 20."""
        most = connections or 20
        self._set(
            f"initial_destination_concurrency={most}",
            f"default_destination_concurrency_limit={most}",
            # TUNING_README: at least as many as there are to be connections.
            f"default_process_limit={most + 100}",
        )
        self._rooted.run(("postfix", "start"), group)

    def left(self) -> int:
        """Count the files in its queues."""
        return files(self._spool / name for name in _WAITING)

    def highest(self) -> float:
        """Not known: it is many processes."""
        return 0.0

    def end(self) -> None:
        """It is killed: what it leaves is removed before the next run."""

    def close(self) -> None:
        """Let the log go."""
        self._rooted.close()

    def _set(self, *settings: str) -> None:
        self._rooted.run(("postconf", "-e", *settings))

    def _empty(self) -> None:
        for name in _ALL:
            emptied(self._spool / name)

    def _made(self, load: Load, count: int) -> Iterator[Original]:
        """Hand mails to Postfix, and yield what it has written."""
        if load.where is From.DROP:
            self._by_sendmail(load, count)
            place = self._spool / "maildrop"
        else:
            self._by_smtp(load, count)
            place = self._spool / "hold"
        found = [path for path in place.rglob("*") if path.is_file()]
        assert len(found) == count, f"Postfix has queued {len(found)} of {count}"
        for path in found:
            status = path.stat()
            yield Original(
                octets=path.read_bytes(),
                mode=status.st_mode & 0o7777,
                owner=status.st_uid,
                group=status.st_gid,
            )

    def _by_sendmail(self, load: Load, count: int) -> None:
        mail = self._rooted.root / MAIL
        mail.write_bytes(mails.message(0, load.size))
        call = Call(
            root=self._rooted.root,
            argv=(peers.SENDMAIL, "-i", "-f", mails.SENDER, mails.recipient(0)),
            mail=f"/{MAIL}",
            environ={},
        )
        called(call, count, 4)

    def _by_smtp(self, load: Load, count: int) -> None:
        self._set("smtpd_client_restrictions=check_client_access static:HOLD")
        with group(self._groups, "postfix-filling") as filling:
            self.start(filling)
            with smtplib.SMTP(_SMTPD, 25) as client:
                for number in range(count):
                    whom = [mails.recipient(number + n) for n in range(load.recipients)]
                    text = mails.message(number, load.size)
                    client.sendmail(mails.SENDER, whom, text)
        self._set("smtpd_client_restrictions=")


def _copy(
    originals: Iterator[Original], spool: Path, where: Callable[[str], str]
) -> None:
    later = time.time() + _LATER
    for number, original in enumerate(originals):
        path = spool / "new"
        with path.open("wb") as file:
            file.write(original.octets)
            os.fchown(file.fileno(), original.owner, original.group)
            os.fchmod(file.fileno(), original.mode)
            inode = os.fstat(file.fileno()).st_ino
        # A queue id: microseconds, which spread them over folders; the inode.
        name = f"{number * 7919 % 1_000_000:05X}{inode:X}"
        there = spool / where(name)
        if not there.exists():
            there.mkdir(mode=0o700)
            status = there.parent.stat()
            os.chown(there, status.st_uid, status.st_gid)
        if there.parent.name == "deferred":
            os.utime(path, (later, later))
        path.rename(there / name)
