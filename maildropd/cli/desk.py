# SPDX-License-Identifier: Apache-2.0
"""Who answers an operator; the requests are those of queue/requests.py."""

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol


class Failed(Exception):
    """It could not be done; each argument is a line that says why."""


class Desk(Protocol):
    """Answers requests."""

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer; raise ``Failed``."""
        ...


class DaemonDesk:
    """Asks through the control socket."""

    def __init__(self, connection: socket.socket) -> None:
        """Take a connection; it stays the caller's."""
        self._connection = connection
        self._answers = connection.makefile("rb")

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send one line, return what the next one says."""
        try:
            with suppress(BrokenPipeError):  # it may have said why it hangs up
                self._connection.sendall(json.dumps(request).encode("ascii") + b"\n")
            line = self._answers.readline()
        except OSError as error:
            raise Failed(f"maildropd does not answer ({error})") from error
        if not line.endswith(b"\n"):  # it was stopped, perhaps half way
            raise Failed("maildropd has hung up")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise Failed(answer["error"], *answer.get("errors", ()))
        return answer
