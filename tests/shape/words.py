# SPDX-License-Identifier: Apache-2.0
"""What the house says about itself, read from code, manual, sample and catalog."""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

from maildropd import mail
from maildropd.config.dkim import DkimConfig
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
from maildropd.mail.event import Event
from maildropd.mail.reply import Reply
from tests.shape.house import ROOT

MAN = ROOT / "docs" / "man"
_MODELS: tuple[type, ...] = (
    DaemonConfig,
    BouncesConfig,
    QueueConfig,
    SubmissionConfig,
    NamesConfig,
    SubmitterConfig,
    SpoolConfig,
    RouteConfig,
    RelayConfig,
    DkimConfig,
)


def read(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def debian_changelog() -> Path:
    """Return it; a package build moves packaging/debian to debian."""
    places = [ROOT / "packaging/debian/changelog", ROOT / "debian/changelog"]
    return next((place for place in places if place.exists()), places[0])


# --- events ------------------------------------------------------------------


def events() -> list[type[Event]]:
    """Return every event class of maildropd.mail."""
    found = []
    for module in pkgutil.iter_modules(mail.__path__, "maildropd.mail."):
        for value in vars(importlib.import_module(module.name)).values():
            ours = isinstance(value, type) and issubclass(value, Event)
            if ours and value is not Event and value.__module__ == module.name:
                found.append(value)
    return found


def journal_fields(event: type[Event]) -> set[str]:
    """Return the names of the journal fields that an event may have."""
    found = {"MAILDROP_DSN"} if "reply" in event.__annotations__ else set()
    for field in fields(event):
        unit = "_USEC" if field.type is timedelta else ""
        found.add(f"MAILDROP_{field.name.upper()}{unit}")
        if field.type is Reply:
            found.add("MAILDROP_DSN")
    return found


def catalog(text: str) -> Mapping[str, str]:
    """Return the entries of a journal catalog by their MESSAGE_ID."""
    parts = re.split(r"(?m)^-- ([0-9a-f]{32})$", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


# --- configuration -------------------------------------------------------------


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """One key as manual or sample show it."""

    section: str  # "relay", without its name
    name: str
    default: str = ""


def model_keys() -> set[tuple[str, str]]:
    """Return section and name of every key: class and field of the model."""
    return {
        (kind.__name__.removesuffix("Config").lower(), field.name)
        for kind in _MODELS
        for field in fields(kind)
        if field.name != "name"  # stands in the section's header
    }


def sample_keys(text: str) -> Iterator[Key]:
    """Yield the keys of maildropd.conf; ``#key = value`` shows a default."""
    section = ""
    for line in text.splitlines():
        if header := re.match(r"#?\[(\w+)[^]]*\]", line):
            section = header[1]
        elif key := re.match(r"#?(\w+) *=(.*)", line):
            yield Key(section, key[1], key[2].strip())


def manual_keys(text: str) -> Iterator[Key]:
    """Yield the keys of a page: ``.It Ic first_retry Li = 5min``."""
    section = ""
    for line in text.splitlines():
        if header := re.match(r"\.S[hs] (?:Section Bq |\[)(\w+)", line):
            section = header[1]
        elif key := re.match(r"\.It Ic (\w+)(?: Li =(.*))?", line):
            yield Key(section, key[1], (key[2] or "").strip().strip('"'))


# --- command line --------------------------------------------------------------


def options(help_text: str) -> set[str]:
    """Return the options and commands that a command's --help names."""
    commands = re.findall(r"(?m)^    ([\w-]+) {2,}\S", help_text)
    return {*re.findall(r"--[\w-]+", help_text), *commands}


def documented(page: str) -> set[str]:
    """Return the options and commands that a manual page explains."""
    found = set()
    for line in re.findall(r"(?m)^\.It (.*)", page):
        found |= {f"--{word}" for word in re.findall(r"Fl (?:Fl |-)([\w-]+)", line)}
        found |= set(re.findall(r"Cm ([\w-]+)", line))
    return found


def letters(page: str) -> set[str]:
    """Return the options of one letter in a page; ``bp`` and ``oi`` are b and o."""
    found = set()
    for line in re.findall(r"(?m)^\.(?:It |Op )*(Fl .*)", page):
        for after in re.split(r"\bFl\b ?", line)[1:]:
            run = re.match(r"\w*(?: [,|] \w+)*", after)
            for word in re.findall(r"\w+", run[0] if run else ""):
                found |= set(word[:1] if word[0] in "bo" else word)
    return found


# --- specifications --------------------------------------------------------------


def rfcs(texts: Iterable[str]) -> set[str]:
    """Return the RFCs that are spoken of, or begin a row of a table."""
    spoken = re.compile(r"(?m)(?:RFC[ -]?(\d+))|(?:^\| (\d{3,5}) \|)")
    return {one or other for text in texts for one, other in spoken.findall(text)}
