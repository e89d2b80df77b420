# SPDX-License-Identifier: Apache-2.0
"""Commands of aliases: one run for each recipient, the message as its input.

No shell, and nothing of the mail in the command line: sender and recipient are
in the environment, where no program takes them for options.
"""

import errno
import shlex
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import IO

from maildropd.host.child import Child, End, Ended
from maildropd.host.clock import Clock
from maildropd.mail.envelope import Terms
from maildropd.mail.errors import RouteError
from maildropd.mail.outcome import Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.mail.verp import sender_for
from maildropd.relay.base import Alive, Delivery
from maildropd.relay.local.local_form import field, return_path, unix_lines
from maildropd.relay.local.one_by_one import one_by_one
from maildropd.relay.refusal import doubt

TIME_LIMIT = timedelta(minutes=10)
_SLACK = timedelta(seconds=30)  # to write the message down, and to end
_RELAY = "command"
_PATH = "/usr/local/bin:/usr/bin:/bin"
_STOPPED = Reply(451, "4.3.2", "stopped by us")

# Of sysexits.h: what is not here, and no signal, is 5.3.0.
_STATUS: Mapping[int, str] = {
    0: "2.0.0",
    65: "5.6.0",  # EX_DATAERR
    67: "5.1.1",  # EX_NOUSER
    68: "5.1.2",  # EX_NOHOST
    71: "4.3.0",  # EX_OSERR
    73: "5.2.0",  # EX_CANTCREAT
    75: "4.3.0",  # EX_TEMPFAIL
    76: "5.5.0",  # EX_PROTOCOL
    77: "5.7.0",  # EX_NOPERM
    78: "5.3.5",  # EX_CONFIG
}
_CODES: Mapping[str, int] = {"2": 250, "4": 451, "5": 554}


class CommandTransport:
    """Runs what the terms of each recipient say; see ``Transport``."""

    def __init__(self, clock: Clock, limit: timedelta = TIME_LIMIT) -> None:
        """Give each run so much time."""
        self._clock = clock
        self._limit = limit
        self._stopped = threading.Event()
        self._child: Child | None = None

    def attempt(self, delivery: Delivery, alive: Alive) -> tuple[Outcome, ...]:
        """Run them one after the other; trouble of one is no trouble of the way."""

        def serve(recipient: str, terms: Terms) -> Outcome:
            alive(self._limit + _SLACK)
            return self._run(delivery, recipient, terms.run[1:])

        return one_by_one(delivery, _RELAY, serve)

    def close(self) -> None:
        """Nothing is kept between two messages."""

    def abort(self) -> None:
        """Kill what runs; the one call other threads may make."""
        self._stopped.set()
        child = self._child
        if child is not None:
            child.stop()

    def _run(self, delivery: Delivery, recipient: str, command: str) -> Outcome:
        try:
            words = shlex.split(command)
        except ValueError as error:
            return _impossible(f"an alias's command is wrong: {error}")
        if not words or not words[0].startswith("/"):
            return _impossible("an alias's command must begin with a path from /")
        try:
            with tempfile.TemporaryFile() as message:
                _write(message, delivery, recipient)
                ended = self._ended(words, message.fileno(), delivery, recipient)
        except OSError as error:
            return _unable(error, words[0])
        except ValueError:
            return _impossible(f"{words[0]}: there is a NUL in it, or in an address")
        return _outcome(ended, words[0], self._limit)

    def _ended(
        self, words: list[str], stdin: int, delivery: Delivery, recipient: str
    ) -> Ended:
        environment = {
            "PATH": _PATH,
            "SENDER": sender_for(delivery.envelope, recipient) or "",
            "RECIPIENT": recipient,
        }
        if self._stopped.is_set():
            raise RouteError(_STOPPED.text, _STOPPED)
        self._child = child = Child(words, stdin, environment)
        if self._stopped.is_set():  # just now, by who may not have seen the child
            child.stop()
        try:
            return child.wait(self._limit, self._clock)
        finally:
            self._child = None


def _write(message: IO[bytes], delivery: Delivery, recipient: str) -> None:
    message.write(return_path(delivery, recipient))
    message.write(field("Delivered-To", recipient))
    for block in unix_lines(delivery.content()):
        message.write(block)
    message.seek(0)


def _outcome(ended: Ended, program: str, limit: timedelta) -> Outcome:
    match ended.end:
        case End.STOPPED:
            return doubt(_STOPPED, _RELAY)
        case End.TIME:
            text = f"{program} was killed after {limit.total_seconds():.0f} s"
            late = doubt(_reply("4.3.0", text, ended), _RELAY)
            return replace(late, sign=Sign.OPEN)
        case End.OWN if ended.code < 0:
            text = f"{program} was ended by signal {-ended.code}"
            return Outcome.of(_reply("4.3.0", text, ended), _RELAY)
        case End.OWN:
            status = _STATUS.get(ended.code, "5.3.0")
            text = f"{program} ended with {ended.code}"
            return Outcome.here(_reply(status, text, ended), _RELAY)


def _reply(status: str, text: str, ended: Ended) -> Reply:
    said = ended.output.decode("utf-8", "replace").strip()
    whole = f"{status} {text}: {said}" if said else f"{status} {text}"
    return Reply.parse(_CODES[status[0]], whole)


def _impossible(text: str) -> Outcome:
    """Fail what no later attempt could do: the alias is part of the mail by now."""
    return Outcome.of(Reply.parse(554, f"5.3.5 {text}"), _RELAY)


def _unable(error: OSError, program: str) -> Outcome:
    """Put off what an administrator, or time, can mend."""
    text = f"{program}: {error.strerror}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Outcome.of(Reply(452, "4.3.1", text), _RELAY)
    return Outcome.of(Reply(451, "4.3.5", text), _RELAY)
