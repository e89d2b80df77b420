# SPDX-License-Identifier: Apache-2.0
"""``bin/maildrophost start|fg|stop|restart|status``, as infrae.maildrophost made it.

Each start makes our configuration anew from maildrophost.cfg.  The daemon is
the process that a supervisor started, or the one that the PID file names.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.household import settle
from maildropd.foreign.maildrophost.settings import Settings
from maildropd.integrations.buildout_daemon import (
    Found,
    end,
    is_maildrophost,
    is_worked_in,
    look,
)

LIBRARIES: Mapping[str, str] = {
    "systemd": "python3-systemd",
    "sdnotify": "python3-sdnotify",
    "pyinotify": "python3-pyinotify",
    "daemon": "python3-daemon",
}
"""What the daemon imports, and Debian's package of each."""

_LOG = "maildropd.log"
_LARGE = 10 << 20  # octets of that log, at a start
_TOLD = 8000  # of the end of it, when a start fails
_CODE = (
    "import sys; sys.path[0:0] = {path!r}; "
    "from maildropd.cli.maildropd import main; sys.exit(main())"
)


class Refused(Exception):
    """The verb cannot be done; the text is for people."""


def main(config: str, arguments: Sequence[str] | None = None) -> int:
    """Do what the one argument says; return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    control = Control(Path(config))
    verbs: Mapping[str, Callable[[], int]] = {
        "start": control.start,
        "fg": control.fg,
        "stop": control.stop,
        "restart": control.restart,
        "status": control.status,
    }
    if len(words) != 1 or words[0] not in verbs:
        _say(f"usage: {sys.argv[0]} [{'|'.join(verbs)}]")
        return 1
    try:
        return verbs[words[0]]()
    except (Refused, Unreadable) as error:
        _complain(str(error))
        return 1


def missing() -> list[str]:
    """Return the libraries that the daemon needs and this Python has not."""
    return [name for name in LIBRARIES if find_spec(name) is None]


def advice(names: Sequence[str]) -> str:
    """Say that they are missing, and what to do."""
    packages = " ".join(LIBRARIES[name] for name in names)
    return (
        f"The daemon needs {', '.join(names)}, which {sys.executable} cannot import: "
        f"pip install 'maildropd[daemon]', or apt install {packages}"
    )


class Control:
    """One configuration, and the daemon that serves it."""

    def __init__(self, config: Path) -> None:
        """Take the path of maildrophost.cfg; it is read by each verb."""
        self._config = config

    def status(self) -> int:
        """Tell whether it runs."""
        found = self._look(self._settings())
        if found.state != "running":
            _complain("MaildropHost is probably NOT running.")
            return 1
        _say(f"MaildropHost is running with PID {found.pid}")
        return 0

    def stop(self) -> int:
        """End it; mail in flight comes to its end first."""
        settings = self._settings()
        found = self._look(settings)
        if found.state != "running":
            _complain("MaildropHost is probably NOT running.")
            return 1
        self._end(settings, found)
        return 0

    def restart(self) -> int:
        """End it if it runs, and start it in any case."""
        settings = self._settings()
        found = look(Path(settings.pid_file))
        if found.state == "running":
            self._end(settings, found)
        return self.start()

    def start(self) -> int:
        """Start it, and return when it is ready."""
        settings = self._free()
        log = Path(settings.maildrop_home, _LOG)
        line = [*self._line(settings), "--detach"]
        before = _opened_anew(log)
        with open(log, "ab", opener=_closed_to_others) as file:
            # What the daemon says goes where it stays.
            code = subprocess.call(  # noqa: S603 (our own command)
                line, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        if code:
            said = _end_of(log, before)
            raise Refused(f"MaildropHost did NOT start ({log}):\n{said}".rstrip())
        _say("MaildropHost STARTED.")
        return 0

    def fg(self) -> int:
        """Become the daemon: signals, PID and exit code are its own."""
        settings = self._free()
        _say("Starting MaildropHost...")
        if not settings.supervised_daemon:
            raise Refused("error: SUPERVISED_DAEMON must be on")
        line = [*self._line(settings), "--log-format", "text"]
        sys.stdout.flush()
        os.execv(line[0], line)  # noqa: S606 (no shell, and our own command)

    def _settings(self) -> Settings:
        if not self._config.exists():
            raise Refused("Could not find MaildropHost configuration.")
        return Settings.read(self._config)

    def _look(self, settings: Settings) -> Found:
        path = Path(settings.pid_file)
        found = look(path)
        if found.state == "none":
            _say("No pidfile found.")
        elif found.state == "garbage":
            _say("Invalid pidfile, file will be deleted.")
            path.unlink(missing_ok=True)
        return found

    def _free(self) -> Settings:
        """Return the settings; raise ``Refused`` where one more must not run."""
        settings = self._settings()
        found = self._look(settings)
        if found.state == "running":
            raise Refused(f"MaildropHost is already running with PID {found.pid}.")
        if found.state == "stale" and is_maildrophost(found.pid):
            raise Refused(
                f"MaildropHost's own daemon runs with PID {found.pid}: end it first"
            )
        if names := missing():
            raise Refused(advice(names))
        for spool in settings.spools:
            if is_worked_in(spool):
                raise Refused(f"Another daemon takes mail from {spool} already.")
        return settings

    def _line(self, settings: Settings) -> list[str]:
        """Return how to run the daemon, with the libraries that we have."""
        path = [each for each in sys.path if each]
        return [
            *(sys.executable, "-P", "-c", _CODE.format(path=path)),
            *("--config", str(settle(settings))),
            *("--pid-file", settings.pid_file),
        ]

    def _end(self, settings: Settings, found: Found) -> None:
        if not found.pid:
            raise Refused("MaildropHost is about to start; try again.")
        end(Path(settings.pid_file), found.pid)
        _say("MaildropHost STOPPED.")


def _closed_to_others(path: str, flags: int) -> int:
    return os.open(path, flags, 0o640)


def _opened_anew(log: Path) -> int:
    """Put a large log aside, and return how long the present one is."""
    try:
        size = log.stat().st_size
    except FileNotFoundError:
        return 0
    if size > _LARGE:
        log.rename(log.with_name(f"{log.name}.old"))
        return 0
    return size


def _end_of(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - _TOLD))
        return file.read().decode("utf-8", "replace")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _complain(line: str) -> None:
    sys.stderr.write(f"{line}\n")
