# SPDX-License-Identifier: Apache-2.0
"""An operator's requests, answered from the store while no daemon runs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from maildropd.cli.desk import Failed
from maildropd.config.model import DaemonConfig
from maildropd.daemon.compose import open_store
from maildropd.host.clock import SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.journal import open_journal
from maildropd.host.journald import SOCKET
from maildropd.host.process import become_owner_of, boot_id
from maildropd.mail.errors import MailError
from maildropd.mail.event import Journal
from maildropd.queue.operator import NotDone, Operator
from maildropd.queue.requests import answer


class StoreDesk:
    """Does what the daemon would do, but for what only a daemon can.

    The store is open only while a request is answered: a listing that somebody
    pages through must not keep the daemon from starting.
    """

    def __init__(self, daemon: DaemonConfig, journal: Journal, who: str) -> None:
        """Act for ``who`` on the store of a daemon that does not run."""
        self._daemon = daemon
        self._journal = journal
        self._who = who

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer; of the status, what the store knows."""
        if request["command"] == "status":
            request = {"command": "counts"}
        clock = SystemClock(boot_id())
        try:
            store = open_store(self._daemon, self._journal, clock, Heartbeats(clock))
            with closing(store):
                clock.jumped()  # a wall clock that was set is no news to us
                operator = Operator(store, self._journal, clock)
                return answer(operator, request, self._who)
        except (NotDone, MailError) as error:
            raise Failed(str(error)) from error


@contextmanager
def open_desk_on_store(daemon: DaemonConfig) -> Iterator[StoreDesk]:
    """Work on the store as the user it belongs to."""
    who = f"uid={os.getuid()}"
    if not daemon.state_directory.is_dir():
        raise Failed(f"{daemon.state_directory}: there is no store yet")
    become_owner_of(daemon.state_directory)
    with closing(open_journal(_log_format())) as journal:
        yield StoreDesk(daemon, journal, who)


def _log_format() -> str | None:
    """What an operator did belongs where the daemon's own events are."""
    return "journal" if os.path.exists(SOCKET) else None
