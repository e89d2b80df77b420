# SPDX-License-Identifier: Apache-2.0
"""maildropd, with all defaults, for the course."""

import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

from bench import depth, mails, meter
from bench.daemon import HOME, Daemon
from bench.delivery.group import Group
from bench.delivery.network import SERVER
from bench.delivery.rooted import at_rest, files
from bench.delivery.side import Begun, From, Load
from bench.logs import Bin
from bench.runs import JOURNAL
from bench.sink import PORT

_CTL = (
    sys.executable,
    "-c",
    "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())",
)
_KEPT = 500_000_000  # octets: what is larger is rather made anew than copied
_AT_REST = 6.0  # seconds: longer than the default settle_time


class Ours:
    """One daemon at a time, in a folder that is made anew for each run."""

    name = "maildropd"

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._kept = folder
        self.box = folder / "box"
        self._stack = ExitStack()
        self._highest = 0.0

    def takes(self, load: Load) -> bool:
        """Any."""
        return load.count > 0

    def fill(self, load: Load) -> None:
        """Copy a store that was filled once; or write mails into the drop."""
        shutil.rmtree(self.box, ignore_errors=True)
        self.box.mkdir()
        if load.where is From.DROP:
            mails.fill_drop(self.box / "drop", load.count, load.size)
            time.sleep(_AT_REST)
            return
        if load.octets > _KEPT:
            depth.fill_store(self.box, load.count, load.size)
            return
        kept = self._kept / f"{load.count}-{load.size}-{load.recipients}"
        if not kept.exists():
            if load.recipients > 1:
                whom = [mails.recipient(number) for number in range(load.recipients)]
                depth.store_one(kept, whom, deferred=True)
            else:
                depth.fill_store(kept, load.count, load.size)
        subprocess.run(["/usr/bin/cp", "-a", kept / "state", self.box], check=True)

    def begin(self, group: Group, load: Load) -> Begun:
        """Start it; what is in the queue is flushed by its command."""
        self.start(group, config(load.connections))
        if load.where is From.DROP:
            return Begun(at=self._daemon.exec)
        self._daemon.ready()
        at_rest(group)
        begun = Begun(at=time.monotonic(), cpu=group.cpu())
        subprocess.run(
            [*group.around(), *_CTL, "--config", str(self.box), "flush"],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=HOME,
        )
        return begun

    def start(self, group: Group, text: str) -> Daemon:
        """Start the daemon, with a configuration."""
        self._stack.enter_context(Bin(JOURNAL))
        self._daemon = self._stack.enter_context(
            Daemon(self.box, config=text, around=group.around())
        )
        return self._daemon

    def left(self) -> int:
        """Count what is in the store and in the drop."""
        database = f"file:{self.box}/state/queue.db?mode=ro"
        with closing(sqlite3.connect(database, uri=True)) as connection:
            query = "SELECT count(*) FROM (SELECT 1 FROM recipient LIMIT 1000)"
            (found,) = connection.execute(query).fetchone()
        return int(found) + files([self.box / "drop"])

    def highest(self) -> float:
        """Return the largest resident set of its one process."""
        return meter.highest(self._daemon.pid)

    def end(self) -> None:
        """Stop it as systemd does."""
        self._stack.close()


def config(connections: int) -> str:
    """Return a whole configuration; 0 connections are as many as by default."""
    most = f"max_connections = {connections}\n" if connections else ""
    return (
        f"[relay smarthost]\nhost = {SERVER}\nport = {PORT}\ntls = none\n{most}"
        "[spool drop]\n"
    )
