# SPDX-License-Identifier: Apache-2.0
"""Debian's Postfix as a null client, in a root of its own.

Set up as STANDARD_CONFIGURATION_README says for a null client, and tuned as
TUNING_README says for a client with one fast relay; all else is Debian's.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

from bench import mails, meter
from bench.sink import PORT
from bench.waiting import until

_SUBMIT = """\
cd /var/tmp/mails
submit() {
    for mail in "$@"; do
        /usr/sbin/sendmail -i -f %s "user${mail#m}@example.net" < "$mail"
    done
}
submit *[02468] & submit *[13579]
wait
"""
_WAITING = ("maildrop", "incoming", "active", "deferred")


def settings(host: str = "127.0.0.1") -> tuple[str, ...]:
    """Return what main.cf says of a null client with one fast relay."""
    relay = f"[{host}]:{PORT}"
    return (
        "compatibility_level=3.6",
        "myhostname=bench.example.org",
        "mydestination=",
        "mynetworks=127.0.0.0/8",
        "inet_interfaces=loopback-only",
        "inet_protocols=ipv4",
        "local_transport=error:no local mail",
        f"relayhost={relay}",
        "smtp_tls_security_level=none",
        # TUNING_README: no pause between the pickup and a queue that is full; a
        # relay that can take it gets all connections at once, and they are kept.
        "in_flow_delay=0",
        "initial_destination_concurrency=20",
        "default_destination_concurrency_limit=20",
        f"smtp_connection_cache_destinations={relay}",
    )


class Postfix:
    """One Postfix, stopped or running, and its queue."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "dev/log"
        self._spool = root / "var/spool/postfix"
        self._kept = root / "var/tmp/maildrop"
        self._started = 0.0  # processor seconds of the commands that start it
        (root / "etc/mailname").write_text("bench.example.org\n")
        self._run("postconf", "-e", *settings())
        self._run("postconf", "-F", "*/*/chroot=n")
        self.start()
        self.stop()

    def submit(self, count: int) -> None:
        """Have mails submitted by sendmail while nothing runs; keep a copy."""
        folder = self.root / "var/tmp/mails"
        folder.mkdir()
        for number in range(count):
            (folder / f"m{number}").write_bytes(mails.message(number))
        self._run("sh", "-ec", _SUBMIT % mails.SENDER, stderr=subprocess.DEVNULL)
        assert self.waiting() == count
        (self._spool / "maildrop").rename(self._kept)

    def restore(self) -> None:
        """Put the submitted mails where sendmail put them, and have them on disk."""
        shutil.rmtree(self._spool / "maildrop", ignore_errors=True)
        subprocess.run(
            ["/usr/bin/cp", "-a", self._kept, self._spool / "maildrop"], check=True
        )
        # Names of queue files follow their inodes; it would be done at the start.
        self._run("postsuper", "-s", stderr=subprocess.DEVNULL)
        os.sync()

    def empty(self) -> None:
        """Put an empty queue there."""
        (self._spool / "maildrop").mkdir(exist_ok=True)
        self._run("chown", "postfix:postdrop", "/var/spool/postfix/maildrop")
        self._run("chmod", "1730", "/var/spool/postfix/maildrop")

    def start(self) -> float:
        """Start it; return when the command began."""
        began = time.monotonic()
        before = os.times()
        self._run("postfix", "start", stderr=subprocess.DEVNULL)
        after = os.times()
        self._started = (
            after.children_user
            + after.children_system
            - before.children_user
            - before.children_system
        )
        return began

    def stop(self) -> None:
        """Stop it, and wait until nobody is left."""
        self._run("postfix", "stop", stderr=subprocess.DEVNULL)
        until(lambda: not self.pids(), "Postfix has stopped")

    def send(self, number: int) -> None:
        """Submit one mail as a program would."""
        self._run(
            "/usr/sbin/sendmail",
            "-i",
            "-f",
            mails.SENDER,
            mails.recipient(number),
            content=mails.message(number),
        )

    def drained(self) -> float:
        """Wait until its queue is empty; return when."""
        return until(lambda: not self.waiting(), "Postfix's queue is empty", pace=0.05)

    def waiting(self) -> int:
        """Return how many messages are in its queue."""
        folders = (self._spool / name for name in _WAITING)
        return sum(len(files) for top in folders for _, _, files in os.walk(top))

    def pids(self) -> list[int]:
        """Return its processes."""
        return meter.within(self.root)

    def cpu(self) -> float:
        """Return the processor seconds of all its processes since its start."""
        return meter.cpu(self.pids()) + self._started

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _run(
        self, *command: str, content: bytes | None = None, stderr: int | None = None
    ) -> None:
        subprocess.run(
            ["/usr/sbin/chroot", self.root, *command],
            check=True,
            input=content,
            stdin=subprocess.DEVNULL if content is None else None,
            stdout=stderr,
            stderr=stderr,
        )
