# SPDX-License-Identifier: Apache-2.0
"""What the files say: known keys in known sections, each with its place.

Nothing is ignored in silence.  A later file wins key by key; within one file
the same key twice is a mistake, since nobody can tell which was meant.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from maildropd.config import limits
from maildropd.config.dkim import DkimConfig
from maildropd.config.errors import ConfigErrors, Mistake, Place, nearest
from maildropd.config.layout import SYSTEM, Layout
from maildropd.config.lines import Line, Section, parse
from maildropd.config.model import (
    BouncesConfig,
    DaemonConfig,
    NamesConfig,
    QueueConfig,
    SpoolConfig,
    SubmissionConfig,
    SubmitterConfig,
)
from maildropd.config.relay import RelayConfig
from maildropd.config.routes import RouteConfig

MODELS: Mapping[str, Any] = {
    "daemon": DaemonConfig,
    "queue": QueueConfig,
    "bounces": BouncesConfig,
    "submission": SubmissionConfig,
    "names": NamesConfig,
    "submitter": SubmitterConfig,
    "spool": SpoolConfig,
    "route": RouteConfig,
    "relay": RelayConfig,
    "dkim": DkimConfig,
}
_NAMED: Mapping[str, str] = {
    "spool": "drop",
    "relay": "smarthost",
    "submitter": "shop",
    "route": "inside",
    "dkim": "example.org",
}
_LARGEST = 1 << 20


def files(layout: Layout) -> list[Path]:
    """Return the files that are read, in their order.

    The host's own daemon needs no main file: every default works.
    """
    folder = layout.config.with_suffix(".conf.d")
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        names = []
    except OSError as error:
        raise ConfigErrors([unreadable(folder, error)]) from error
    found = [folder / n for n in names if n.endswith(".conf") and n[0] != "."]
    own = layout.config == SYSTEM / "maildropd.conf" and SYSTEM.is_dir()
    optional = (found or own) and not os.path.lexists(layout.config)
    return found if optional else [layout.config, *found]


def unreadable(file: Path, error: OSError) -> Mistake:
    """Say that a file or folder cannot be read."""
    why = error.strerror or str(error)
    return Mistake(place=Place(file=file), text=f"cannot be read ({why.lower()})")


def keys(kind: str) -> list[str]:
    """Return the keys of a kind of section, in the order of the model."""
    return [field.name for field in fields(MODELS[kind]) if field.name != "name"]


class Said:
    """All that was said, and all that was wrong with it."""

    def __init__(self, layout: Layout) -> None:
        """Read the files; mistakes are gathered, never raised."""
        self.mistakes: dict[Mistake, None] = {}  # each once
        self.sections: dict[Section, Place] = {}
        self.faulty: set[Section] = set()  # where a value is wrong
        self._lines: dict[tuple[Section, str], Line] = {}
        self._files = files(layout)
        for file in self._files:
            self._take(file)

    def get(self, section: Section, key: str) -> Line | None:
        """Return the last word on a key; None is the default."""
        return self._lines.get((section, key))

    def relays(self) -> list[Section]:
        """Return the relays that are meant: of those that say nothing, one at most."""
        found = [part for part in self.sections if part.kind == "relay"]
        said = {section for section, _ in self._lines}
        speaking = [part for part in found if part in said]
        return speaking or found[:1] or [Section(kind="relay", name="smarthost")]

    def complain(self, section: Section, key: str, words: str) -> None:
        """Note a mistake in a value, at its line if it has one."""
        line = self._lines.get((section, key))
        self.faulty.add(section)
        if not line:
            place = self.sections.get(section, Place(file=self._files[0]))
            self._wrong(place, f"{section}: {key}: {words}")
            return
        # Whoever mistakes the key may have written the password itself here;
        # a stray backslash may have brought in the line that has it.
        said = f"{key} {line.value}".lower()
        secret = any(word in said for word in ("password", "secret", "refresh_token"))
        value = "the value" if secret else f'"{line.value}"'
        self._wrong(line.place, f"{key}: {value} {words}")

    def in_order(self) -> list[Mistake]:
        """Return the mistakes in the order of files and lines."""
        order = {file: number for number, file in enumerate(self._files)}
        return sorted(
            self.mistakes, key=lambda wrong: (order[wrong.place.file], wrong.place.line)
        )

    def _take(self, file: Path) -> None:
        first: dict[tuple[Section, str], int] = {}
        for line in parse(file, self._content(file)):
            match line:
                case Mistake():
                    self.mistakes[line] = None
                case Line(key=""):
                    self._open(line)
                case Line() if line.section in self.sections:
                    number = first.setdefault((line.section, line.key), line.place.line)
                    self._keep(line, number)
                case _:
                    pass  # the section is wrong, which was said at its header

    def _open(self, line: Line) -> None:
        if trouble := self._misnamed(line.section):
            self._wrong(line.place, f"{line.section}: {trouble}")
        else:
            self.sections.setdefault(line.section, line.place)

    def _misnamed(self, section: Section) -> str:
        if section.kind not in MODELS:
            return f"unknown section{nearest(section.kind, MODELS)}"
        if section.kind not in _NAMED:
            return f"takes no name (try [{section.kind}])" if section.name else ""
        if not section.name:
            return f"needs a name (try [{section.kind} {_NAMED[section.kind]}])"
        trouble = limits.name(section.name)
        return f"the name {trouble}" if trouble else ""

    def _keep(self, line: Line, first: int) -> None:
        if line.key == "password":
            self._wrong(line.place, f"password: {_secret_advice(line.place.file)}")
        elif line.key not in keys(line.section.kind):
            hint = _nearest_key(line)
            self._wrong(line.place, f"{line.key}: unknown key in {line.section}{hint}")
        elif first != line.place.line:
            self._wrong(line.place, f"{line.key}: is already set in line {first}")
        elif line.value:
            self._lines[line.section, line.key] = line
        else:
            self._lines.pop((line.section, line.key), None)

    def _content(self, file: Path) -> bytes:
        try:
            with file.open("rb") as stream:
                content = stream.read(_LARGEST + 1)
        except OSError as error:
            self.mistakes[unreadable(file, error)] = None
            return b""
        if len(content) > _LARGEST:
            self._wrong(Place(file=file), "is too large for a configuration file")
            return b""
        return content

    def _wrong(self, place: Place, text: str) -> None:
        self.mistakes[Mistake(place=place, text=text)] = None


def _nearest_key(line: Line) -> str:
    if hint := nearest(line.key, keys(line.section.kind)):
        return hint
    homes = [kind for kind in MODELS if line.key in keys(kind)]
    return f" (it belongs into [{homes[0]}])" if homes else ""


def _secret_advice(file: Path) -> str:
    advice = "a secret never stands here (try password_credential or password_file)"
    if os.stat(file).st_mode & stat.S_IROTH:
        advice += "; everybody on this host can read this file: change the password"
    return advice
