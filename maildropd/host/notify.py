# SPDX-License-Identifier: Apache-2.0
"""What the service manager is told; without one, telling does nothing."""

import os
import time
from datetime import timedelta

import sdnotify

_SHORTEST = timedelta(milliseconds=100)  # else we would do nothing but ping


class Notifier:
    """Speaks to systemd as sd_notify(3) does.

    Takes what the environment says about notification and watchdog out of
    it, so that no child can speak in our name.
    """

    def __init__(self) -> None:
        """Connect to ``$NOTIFY_SOCKET``, if there is one."""
        self._notifier: sdnotify.SystemdNotifier | None = None
        if os.environ.get("NOTIFY_SOCKET"):
            self._notifier = sdnotify.SystemdNotifier()
        if self._notifier and self._notifier.socket:
            # A manager that is busy must not stop us for longer than this.
            self._notifier.socket.settimeout(1)
        self._watchdog = _watchdog_interval()
        for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
            os.environ.pop(name, None)

    @property
    def watchdog_interval(self) -> timedelta | None:
        """Return within which time a ping is expected; ping twice as often."""
        return self._watchdog

    def ready(self) -> None:
        """Start-up, or a reload, is done."""
        self._tell("READY=1")

    def status(self, text: str) -> None:
        """Say what ``systemctl status`` shows."""
        self._tell(f"STATUS={_plain(text)}")

    def reloading(self) -> None:
        """A reload begins; ``ready`` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """The end begins."""
        self._tell("STOPPING=1")

    def extend_timeout(self, by: timedelta) -> None:
        """Ask for this much time, from now on, to start or stop."""
        self._tell(f"EXTEND_TIMEOUT_USEC={by // timedelta(microseconds=1)}")

    def watchdog(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def close(self) -> None:
        """Say nothing more."""
        if self._notifier and self._notifier.socket:
            self._notifier.socket.close()
        self._notifier = None

    def _tell(self, *lines: str) -> None:
        if self._notifier:
            self._notifier.notify("\n".join(lines))


def _watchdog_interval() -> timedelta | None:
    """Return the watchdog's interval, if it is us that it watches."""
    watched = os.environ.get("WATCHDOG_PID") or str(os.getpid())
    try:
        interval = timedelta(microseconds=int(os.environ.get("WATCHDOG_USEC", "")))
    except (ValueError, OverflowError):  # nothing that systemd would say
        return None
    if interval <= timedelta(0) or watched != str(os.getpid()):
        return None
    return max(interval, _SHORTEST)


def _plain(text: str) -> str:
    """Keep to ASCII: sdnotify drops a status that is not latin-1 without a word."""
    return text.replace("\n", " ").encode("ascii", "replace").decode("ascii")
