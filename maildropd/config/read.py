# SPDX-License-Identifier: Apache-2.0
"""From files to one ``Config``, or to every mistake that is in them.

The model says which keys there are, what type each has and its default; only
what depends on the place of the file, or on another key, is said here.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from maildropd.config import checks, values
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.limits import LIMITS
from maildropd.config.lines import Section
from maildropd.config.model import Config, RelayConfig, SpoolConfig
from maildropd.config.said import MODELS, Said, keys


def read(layout: Layout) -> Config:
    """Read the main file and its folder; raise ``ConfigErrors``, or be right."""
    said = Said(layout)
    reading = _Reading(said, layout)
    config = reading.config()
    for section, key, words in checks.complaints(config):
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
        return Config(
            source=self._layout.config,
            daemon=self._section(Section(kind="daemon"), places),
            queue=self._section(Section(kind="queue"), {}),
            spools=self._spools(),
            relay=self._relay(),
        )

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

    def _relay(self) -> RelayConfig:
        section = self._said.relay()
        relay: RelayConfig = self._section(section, {"name": section.name})
        return relay

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
