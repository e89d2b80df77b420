# SPDX-License-Identifier: Apache-2.0
"""From files to one ``Config``, or to every mistake that is in them.

The model says which keys there are, what type each has and its default; only
what depends on the place of the file, or on another key, is said here.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from maildropd.config import checks, values
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.limits import LIMITS
from maildropd.config.lines import Section
from maildropd.config.model import Config, QueueConfig, SpoolConfig
from maildropd.config.relay import RelayConfig
from maildropd.config.said import MODELS, Said, keys


def read(layout: Layout) -> Config:
    """Read the main file and its folder; raise ``ConfigErrors``, or be right."""
    said = Said(layout)
    reading = _Reading(said, layout)
    config = reading.config()
    # A route without the value that is wrong would seem to lack it.
    known = {each for each in said.faulty if each.kind == "route"}
    for section, key, words in checks.complaints(config):
        if section not in known:
            said.complain(section, key, words)
    if said.mistakes:
        raise ConfigErrors(said.in_order())
    return config


class _Reading:
    """Makes sections of what was said; a bad value is noted, its default used."""

    def __init__(self, said: Said, layout: Layout) -> None:
        self._said = said
        self._layout = layout

    def config(self) -> Config:
        places = {
            "state_directory": self._layout.state,
            "runtime_directory": self._layout.runtime,
        }
        queue: QueueConfig = self._section(Section(kind="queue"), {})
        relays = self._relays()
        return Config(
            source=self._layout.config,
            daemon=self._section(Section(kind="daemon"), places),
            submission=self._section(
                Section(kind="submission"),
                {
                    "socket": self._layout.sockets / "submission",
                    "sendmail_socket": self._layout.sockets / "sendmail",
                },
            ),
            queue=queue,
            bounces=self._section(Section(kind="bounces"), {}),
            names=self._section(Section(kind="names"), {}),
            submitters=tuple(self._all_of("submitter")),
            spools=self._spools(),
            routes=tuple(self._all_of("route")),
            relay=chosen(relays, queue.relay),
            relays=relays,
            dkim=tuple(self._all_of("dkim")),
        )

    def _relays(self) -> tuple[RelayConfig, ...]:
        """A section that says nothing is none: the main file has an empty one."""
        return tuple(
            self._section(part, {"name": part.name}) for part in self._said.relays()
        )

    def _all_of(self, kind: str) -> Iterator[Any]:
        for section in self._said.sections:
            if section.kind == kind:
                yield self._section(section, {"name": section.name})

    def _spools(self) -> tuple[SpoolConfig, ...]:
        given = [part for part in self._said.sections if part.kind == "spool"]
        found = given or [Section(kind="spool", name="drop")]
        return tuple(self._spool(section) for section in found)

    def _spool(self, section: Section) -> SpoolConfig:
        """The quarantine lies beside the drop, where it can be moved to at once."""
        path = self._value(section, "path", Path)
        if not path and section.name != "drop" and not self._said.get(section, "path"):
            self._said.complain(section, "path", "has no default, say which folder")
        path = path or self._layout.drop
        places = {"path": path, "quarantine": path.parent / "quarantine"}
        spool: SpoolConfig = self._section(section, {"name": section.name} | places)
        return spool

    def _section(self, section: Section, defaults: Mapping[str, object]) -> Any:
        model = MODELS[section.kind]
        kinds = get_type_hints(model)
        chosen = dict(defaults)
        for key in keys(section.kind):
            value = self._value(section, key, kinds[key])
            if value is not None:
                chosen[key] = value
        return model(**chosen)

    def _value(self, section: Section, key: str, kind: Any) -> Any:
        """Return a value that was said and is right; None is the default."""
        line = self._said.get(section, key)
        if not line:
            return None
        if re.search(r"\s[#;]", line.value):
            advice = "ends in a comment, which needs a line of its own"
            self._said.complain(section, key, advice)
            return None
        try:
            value = values.reader(kind, self._layout.config.parent)(line.value)
        except ValueError as error:
            self._said.complain(section, key, str(error))
            return None
        limit = LIMITS.get((section.kind, key))
        trouble = limit(value) if limit else None
        if trouble:
            self._said.complain(section, key, trouble)
            return None
        return value


def chosen(relays: Sequence[RelayConfig], name: str) -> RelayConfig:
    """Return the relay that takes all mail: the one named, or the first."""
    return next((relay for relay in relays if relay.name == name), relays[0])
