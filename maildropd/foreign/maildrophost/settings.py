# SPDX-License-Identifier: Apache-2.0
"""What a MaildropHost configuration says: every variable, by its own name.

A text stays as it is written: ``$HOME`` is expanded by the shell scripts that
read the same file, and never was by the daemon.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Self

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.grammar import Assigned, Value, load, parse

OF_CHOICE = frozenset(
    ("MAILDROP_HOME", "SMTP_HOST", "SMTP_PORT", "MAILDROP_INTERVAL", "MAILDROP_TLS")
)
"""What a file must say before it can be chosen in Zope."""

OF_PRODUCER = OF_CHOICE | {"DEBUG", "MAILDROP_LOGIN", "MAILDROP_PASSWORD"}
"""What the object in Zope needs of it."""

OF_DAEMON = OF_PRODUCER | {"MAILDROP_BATCH", "WAIT_INTERVAL", "SUPERVISED_DAEMON"}
"""What the daemon does not start without."""

_LONGEST_WAIT = 10 * 365 * 86400  # seconds


class Incomplete(Unreadable):
    """A file that lacks what it must say; ``missing`` are the variables."""

    def __init__(self, where: str, missing: tuple[str, ...]) -> None:
        """Name them, and what to do."""
        lines = ", ".join(f"{name}={_shipped(name)}" for name in missing)
        super().__init__(where, f"lacks {', '.join(missing)} (add {lines})")
        self.missing = missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One file, with the defaults that MaildropHost ships for what is not there."""

    python: str = "/usr/bin/python"
    maildrop_home: str = "/tmp/maildrop"  # noqa: S108 (theirs, and only read)
    maildrop_spool: str = ""  # "": below the home, as the next three
    maildrop_var: str = ""
    maildrop_pid_file: str = ""
    maildrop_log_file: str = ""
    smtp_host: str = "localhost"
    smtp_port: int = 25
    maildrop_interval: float = 120
    debug: int = 0
    debug_receiver: str = ""
    maildrop_batch: int = 0
    maildrop_tls: int = 0
    maildrop_login: str = ""
    maildrop_password: str = field(default="", repr=False)
    wait_interval: float = 0.0
    add_messageid: int = 0
    supervised_daemon: int = 0
    where: str = "config"  # the file, as it is named in messages
    lines: Mapping[str, int] = field(default_factory=dict)  # of all it assigns
    unknown: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, needed: frozenset[str] = OF_DAEMON) -> Self:
        """Read a file; raise ``Unreadable``, or ``Incomplete`` where it lacks some.

        Of several wrong types each has its line in the message.
        """
        return cls._of(load(path), str(path), needed)

    @classmethod
    def parse(cls, text: str, where: str, needed: frozenset[str] = frozenset()) -> Self:
        """Read what is at hand as text."""
        return cls._of(parse(text, where), where, needed)

    @classmethod
    def _of(cls, found: Assigned, where: str, needed: frozenset[str]) -> Self:
        lines = {name: line for name, (_, line) in found.items()}
        known = {name: found[name] for name in VARIABLES if name in found}
        wrong = sorted(
            (line, f"{name}: {trouble}")
            for name, (value, line) in known.items()
            if (trouble := VARIABLES[name](value))
        )
        if wrong:
            said = [
                why if n == 0 else f"{where}:{line}: {why}"
                for n, (line, why) in enumerate(wrong)
            ]
            raise Unreadable(f"{where}:{wrong[0][0]}", "\n".join(said))
        if missing := tuple(each for each in VARIABLES if each in needed - set(found)):
            raise Incomplete(where, missing)
        chosen: dict[str, Any] = {
            name.lower(): _as_field(name, value) for name, (value, _) in known.items()
        }
        unknown = tuple(name for name in found if name not in VARIABLES)
        return cls(**chosen, where=where, lines=lines, unknown=unknown)

    def place(self, name: str) -> str:
        """Return where a variable is assigned: ``config:12``, or the file."""
        line = self.lines.get(name)
        return f"{self.where}:{line}" if line else self.where

    @property
    def spools(self) -> tuple[str, ...]:
        """The directories that are looked through; mail is written to the first."""
        said = tuple(
            part for each in self.maildrop_spool.split(";") if (part := each.strip())
        )
        return said or (f"{self.maildrop_home}/spool",)

    @property
    def var(self) -> str:
        """Where log and PID file are."""
        return self.maildrop_var or f"{self.maildrop_home}/var"

    @property
    def log_file(self) -> str:
        """The log."""
        return self.maildrop_log_file or f"{self.var}/maildrop.log"

    @property
    def pid_file(self) -> str:
        """The PID file."""
        return self.maildrop_pid_file or f"{self.var}/maildrop.pid"

    @property
    def has_login(self) -> bool:
        """Tell whether AUTH is used: only with both halves."""
        return bool(self.maildrop_login and self.maildrop_password)


def _text(value: Value) -> str | None:
    """None is a text that is not there."""
    if not isinstance(value, str | NoneType):
        return 'should be a text (write it in quotes, "...")'
    if value and "\0" in value:
        return "contains an octet 0 (write it without)"
    return None


def _whole(lowest: int, highest: int) -> Callable[[Value], str | None]:
    def check(value: Value) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "should be a whole number (write it without quotes and dots)"
        if not lowest <= value <= highest:
            return f"{value} is out of range (from {lowest} to {highest})"
        return None

    return check


def _seconds(value: Value) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "should be a number of seconds (write it without quotes)"
    if value > _LONGEST_WAIT:
        return f"is out of range (at most {_LONGEST_WAIT} seconds)"
    return None


def _flag(value: Value) -> str | None:
    if isinstance(value, str | float):
        return "should be 0 or 1 (write it without quotes)"
    return None


VARIABLES: Mapping[str, Callable[[Value], str | None]] = {
    "PYTHON": _text,
    "MAILDROP_HOME": _text,
    "MAILDROP_SPOOL": _text,
    "MAILDROP_VAR": _text,
    "MAILDROP_PID_FILE": _text,
    "MAILDROP_LOG_FILE": _text,
    "SMTP_HOST": _text,
    "SMTP_PORT": _whole(0, 65535),
    "MAILDROP_INTERVAL": _seconds,
    "DEBUG": _flag,
    "DEBUG_RECEIVER": _text,
    "MAILDROP_BATCH": _whole(0, 1 << 40),
    "MAILDROP_TLS": _whole(0, 2),
    "MAILDROP_LOGIN": _text,
    "MAILDROP_PASSWORD": _text,
    "WAIT_INTERVAL": _seconds,
    "ADD_MESSAGEID": _flag,
    "SUPERVISED_DAEMON": _flag,
}
"""Each variable, and what is wrong with a value of it."""


def _as_field(name: str, value: Value) -> Value:
    check = VARIABLES[name]
    if check is _text:
        return value or ""
    return int(bool(value)) if check is _flag else value


def _shipped(name: str) -> str:
    """Return the default of a variable as the file writes it."""
    value = Settings.__dataclass_fields__[name.lower()].default
    return f'"{value}"' if isinstance(value, str) else str(value)
