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
from maildropd.host.process import become_owner_of
from maildropd.mail.errors import MailError
from maildropd.queue.operator import NotDone, Operator
from maildropd.queue.requests import answer


class StoreDesk:
    """Does what the daemon would do, but for what only a daemon can."""

    def __init__(self, operator: Operator, who: str) -> None:
        """Act for ``who``."""
        self._operator = operator
        self._who = who

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer; of the status, what the store knows."""
        if request["command"] == "status":
            request = {"command": "counts"}
        try:
            return answer(self._operator, request, self._who)
        except (NotDone, MailError) as error:
            raise Failed(str(error)) from error


@contextmanager
def open_desk_on_store(daemon: DaemonConfig) -> Iterator[StoreDesk]:
    """Open the store, as the user it belongs to."""
    who = f"uid={os.getuid()}"
    if not daemon.state_directory.is_dir():
        raise Failed(f"{daemon.state_directory}: there is no store yet")
    clock = SystemClock()
    try:
        become_owner_of(daemon.state_directory)
        with closing(open_journal(_log_format())) as journal:
            store = open_store(daemon, journal, clock, Heartbeats(clock))
            with closing(store):
                yield StoreDesk(Operator(store, journal, clock), who)
    except MailError as error:
        raise Failed(str(error)) from error


def _log_format() -> str | None:
    """What an operator did belongs where the daemon's own events are."""
    return "journal" if os.path.exists(SOCKET) else None
