# SPDX-License-Identifier: Apache-2.0
"""One failure of one unit, as the service manager tells it.

It tells whoever ``OnFailure=`` starts in MONITOR_* variables (systemd.exec(5));
nothing there is taken for more than a word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

OURS = "maildropd-notify"
_UNIT = re.compile(
    r"[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\@-]*\."
    r"(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)"
)
_UNIT_LIMIT = 255  # systemd's
_INVOCATION = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[A-Za-z0-9/_+-]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What failed, when, and how."""

    unit: str
    at: datetime
    invocation: str = ""  # empty if it failed before it could run
    result: str = ""  # exit-code, signal, core-dump, timeout, watchdog, ...
    code: str = ""  # exited, killed, dumped
    status: str = ""  # a number, or a signal without SIG

    def __post_init__(self) -> None:
        """Refuse what is no unit: it becomes an argument and a header."""
        if len(self.unit) > _UNIT_LIMIT or not _UNIT.fullmatch(self.unit):
            raise ValueError(f"{self.unit[:300]!r} is not the name of a unit")
        if self.invocation and not _INVOCATION.fullmatch(self.invocation):
            raise ValueError(f"{self.invocation[:80]!r} is not the id of an invocation")

    @property
    def is_ours(self) -> bool:
        """A failure to tell of failures; no mail could tell of that one."""
        return self.unit.startswith((f"{OURS}@", f"{OURS}-", f"{OURS}."))

    @property
    def what(self) -> str:
        """Return ``exit-code, status=3`` or ``signal, signal=KILL``."""
        how = "status" if self.code in ("", "exited") else "signal"
        said = [self.result or "failed", f"{how}={self.status}" if self.status else ""]
        return ", ".join(filter(None, said))


def failure(said: Mapping[str, str], instance: str, at: datetime) -> Failure:
    """Return the failure that a notification is started for.

    The MONITOR_* variables are missing when several units start one instance,
    and where systemd is older than 251; then the instance is the unit.
    """
    return Failure(
        unit=said.get("MONITOR_UNIT") or instance,
        at=at,
        invocation=_id(said.get("MONITOR_INVOCATION_ID", "")),
        result=_word(said.get("MONITOR_SERVICE_RESULT", "")),
        code=_word(said.get("MONITOR_EXIT_CODE", "")),
        status=_word(said.get("MONITOR_EXIT_STATUS", "")),
    )


def monitored(shown: Mapping[str, str]) -> Mapping[str, str]:
    """Return what ``systemctl show`` says, under the names of MONITOR_*."""
    codes = {"1": "exited", "2": "killed", "3": "dumped"}  # CLD_* of waitid(2)
    code = codes.get(shown.get("ExecMainCode", ""), "")
    return {
        "MONITOR_INVOCATION_ID": shown.get("InvocationID", ""),
        "MONITOR_SERVICE_RESULT": shown.get("Result", ""),
        "MONITOR_EXIT_CODE": code,
        "MONITOR_EXIT_STATUS": shown.get("ExecMainStatus", "") if code else "",
    }


def _id(text: str) -> str:
    return text if _INVOCATION.fullmatch(text) else ""


def _word(text: str) -> str:
    return text if _WORD.fullmatch(text) else ""
