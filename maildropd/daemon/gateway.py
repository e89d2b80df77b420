# SPDX-License-Identifier: Apache-2.0
"""The process behind the TCP sockets: it parses, passes on, and can do no more.

It has no configuration, no disk and no network but what systemd hands to it.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from maildropd.edge.parcel import Allowance
from maildropd.edge.smtp.gateway import Office
from maildropd.edge.smtp.reception import Reception
from maildropd.host import inherited
from maildropd.host.journal import open_journal
from maildropd.host.notify import Notifier
from maildropd.host.process import host_name

_MEMORY = 4 * 1024 * 1024
_TICK = 10.0
_BACKLOG = 256  # so many are also accepted before the first of them is served


def run(daemon: Path, addresses: Sequence[tuple[str, int]]) -> int:
    """Serve until told to stop; return the exit code.

    The sockets are those that systemd hands over, or else at ``addresses``.
    """
    with tempfile.TemporaryDirectory(prefix="maildropd-smtp-") as folder:
        try:
            listeners = _listeners(inherited.listening(), addresses)
        except OSError as error:
            sys.stderr.write(f"cannot listen: {error}\n")
            return 1
        if not listeners:
            sys.stderr.write("no socket to listen at: start maildropd-smtp.socket\n")
            return os.EX_USAGE
        with closing(open_journal(None)) as journal:
            allowance = Allowance(_MEMORY, Path(folder))
            office = Office(socket=daemon, allowance=allowance, journal=journal)
            asyncio.run(_serve(Reception(office, host_name()), listeners))
    return 0


async def _serve(reception: Reception, listeners: Sequence[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await reception.learn()
    servers = [
        await loop.create_server(reception.accept, sock=one, backlog=_BACKLOG)
        for one in listeners
    ]
    with closing(Notifier()) as notifier:
        notifier.ready()
        interval = notifier.watchdog_interval
        tick = interval.total_seconds() / 3 if interval else _TICK
        while not stopped.is_set():
            notifier.watchdog()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), tick)
        notifier.stopping()
        for server in servers:
            server.close()
        await reception.close()


def _listeners(
    held: Mapping[str, Sequence[socket.socket]], addresses: Sequence[tuple[str, int]]
) -> list[socket.socket]:
    found = [one for group in held.values() for one in group]
    return found or [socket.create_server(each) for each in addresses]
