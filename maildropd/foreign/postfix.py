# SPDX-License-Identifier: Apache-2.0
"""The configuration of a Postfix that only sends: main.cf, and what it names.

What it receives and delivers itself has no equal in a mail drop; each such
setting is remarked on.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.page import Page
from maildropd.foreign.postfix_relay import describe
from maildropd.foreign.postfix_words import DEFAULTS, WORDS, Parameters, Said

_TIMES: Mapping[str, tuple[str, str, str]] = {
    "maximal_queue_lifetime": ("queue", "give_up_after", "d"),
    "minimal_backoff_time": ("queue", "first_retry", "s"),
    "maximal_backoff_time": ("queue", "slowest_retry", "s"),
    "delay_warning_time": ("queue", "delay_warning", "h"),
}
_UNITS: Mapping[str, str] = {"s": "s", "m": "min", "h": "h", "d": "d", "w": "w"}
_REFERENCE = re.compile(r"\$(?:\{(\w+)\}|\((\w+)\)|(\w+))")


def imported(path: Path) -> Imported:
    """Read /etc/postfix/main.cf; raise ``Unreadable``."""
    page = Page("Postfix", path)
    found = Parameters(_expanded(_said(path)), path)
    describe(found, page)
    _names(found, page)
    _receives(found, page)
    _limits(found, page)
    for name, said in found.items():
        text = WORDS.get(name)
        if text is None:
            page.note(said.where, name, _unknown(name))
        elif text and said.value:
            page.note(said.where, name, text)
    return page.imported()


def _unknown(name: str) -> str:
    if name.startswith(("smtpd_", "postscreen_", "virtual_", "lmtp_", "local_")):
        return "is about mail that Postfix receives or delivers itself"
    return "has no equal here"


def _said(path: Path) -> dict[str, Said]:
    """Return the last word on each parameter; a line that begins blank goes on."""
    found: dict[str, Said] = {}
    for where, line in _logical(path):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not re.fullmatch(r"\w+", name):
            raise Unreadable(where, "is not of the form name = value")
        found[name] = Said(value=" ".join(value.split()), where=where)
    return found


def _logical(path: Path) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for where, line in files.lines(path):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0] in " \t":
            if not lines:
                raise Unreadable(where, "goes on with a line that is not there")
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line.strip()}")
        else:
            lines.append((where, line))
    return lines


def _expanded(said: Mapping[str, Said]) -> dict[str, Said]:
    return {
        name: Said(value=_value(each.value, said, each.where, 0), where=each.where)
        for name, each in said.items()
    }


def _value(text: str, said: Mapping[str, Said], where: str, depth: int) -> str:
    """Put in what ``$name`` stands for."""
    if depth > 20:
        raise Unreadable(where, "a parameter is made of itself")

    def meant(found: re.Match[str]) -> str:
        name = found[1] or found[2] or found[3]
        other = said[name].value if name in said else DEFAULTS.get(name, "")
        return _value(other, said, where, depth + 1)

    return _REFERENCE.sub(meant, text.replace("$$", "$"))


def _names(found: Parameters, page: Page) -> None:
    if host := found.get("myhostname"):
        page.say("daemon", "hostname", host.value, host.where)
    if origin := found.get("myorigin"):
        name = origin.value
        if name.startswith("/"):
            name = files.first_line(Path(name))
        if name:
            page.say("names", "domain", name, origin.where)
    for key in ("alias_maps", "alias_database"):
        if maps := found.get(key):
            _aliases(key, maps, page)
    if (domains := found.get("masquerade_domains")) and domains.value:
        _masquerade(domains, page)


def _aliases(key: str, maps: Said, page: Page) -> None:
    tables = [word for word in re.split(r"[,\s]+", maps.value) if word]
    for number, table in enumerate(tables):
        kind, _, name = table.rpartition(":")
        if number == 0 and kind in ("hash", "lmdb", "btree", "dbm", "texthash", ""):
            page.say("names", "aliases", name, maps.where)
        else:
            page.note(maps.where, key, f"{table} is left out: one file of text is read")


def _masquerade(domains: Said, page: Page) -> None:
    words = [word for word in re.split(r"[,\s]+", domains.value) if word]
    if len(words) == 1 and not words[0].startswith("!"):
        page.say("names", "rewrite_from", f"@{words[0]}", domains.where)
        text = "holds for senders at names of this host"
        page.note(domains.where, "masquerade_domains", text)
    else:
        text = "names several: rewrite_from of [names] takes one"
        page.note(domains.where, "masquerade_domains", text)


def _receives(found: Parameters, page: Page) -> None:
    """A null client has no destinations, and listens on loopback."""
    if (to := found.get("mydestination")) and to.value:
        names = [word for word in re.split(r"[,\s]+", to.value) if word]
        plain = [word for word in names if re.fullmatch(r"[A-Za-z0-9.-]+", word)]
        own = [word for word in plain if word != "localhost"]
        if own:
            page.say("names", "local_names", ", ".join(own), to.where)
        text = (
            "mail to users there was delivered on this host: now it goes to the relay,"
            " unless /etc/aliases, local_to of [names] or a [route NAME] says otherwise"
        )
        page.note(to.where, "mydestination", text)
        for word in filter(lambda word: word not in plain, names):
            page.note(to.where, "mydestination", f"{word} is left out")
    heard = found.get("inet_interfaces")
    local = {
        "loopback-only",
        "localhost",
        "127.0.0.1",
        "::1",
        "[::1]",
        "127.0.0.1, ::1",
    }
    if heard is None or heard.value not in local:
        where = heard.where if heard else found.file
        text = "mail from other hosts is not taken: maildropd listens on loopback only"
        page.note(where, "inet_interfaces", text)


def _limits(found: Parameters, page: Page) -> None:
    if (size := found.get("message_size_limit")) and size.value.isdigit():
        octets = int(size.value)
        shown = f"{octets}B" if octets else "1024T"
        page.say("queue", "message_size_limit", shown, size.where)
    for name, (section, key, unit) in _TIMES.items():
        if said := found.get(name):
            page.say(section, key, duration(said, unit), said.where)


def duration(said: Said, unit: str) -> str:
    """Return a time as we write it; each parameter has a unit of its own."""
    found = re.fullmatch(r"([0-9]{1,10})([smhdw]?)", said.value)
    if not found:
        raise Unreadable(said.where, f'"{said.value}" is no time')
    return "0" if not int(found[1]) else f"{found[1]}{_UNITS[found[2] or unit]}"
