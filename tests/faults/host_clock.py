# SPDX-License-Identifier: Apache-2.0
"""A clock on the wall that a test sets, for one daemon and its maildropctl."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

LIBRARIES = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"),
)


class WallClock:
    """Sets the time of day of those who run in its environment (libfaketime).

    The times of files stay true.
    """

    def __init__(self, folder: Path, *, others_too: bool = False) -> None:
        """Leave the other clocks alone, or else set them along."""
        self._others_too = others_too
        self.library = next((path for path in LIBRARIES if path.exists()), None)
        self._file = folder / "wall-clock"
        self._ahead = timedelta(0)
        self.set(timedelta(0))

    @property
    def environment(self) -> dict[str, str]:
        only = {} if self._others_too else {"DONT_FAKE_MONOTONIC": "1"}
        return only | {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, ahead: timedelta) -> None:
        """Be so far ahead of the true time from now on."""
        self._ahead = ahead
        aside = self._file.with_name(".wall-clock")
        aside.write_text(f"{ahead.total_seconds():+.0f}\n")
        aside.rename(self._file)

    def now(self) -> datetime:
        """Return the time that is on the wall."""
        return datetime.fromtimestamp(time.time(), UTC) + self._ahead
