# SPDX-License-Identifier: Apache-2.0
"""The files of ``zope-sendmail --config`` and of repoze.sendmail's ``qp``.

What stood on their command lines is not in them: in zope-sendmail the file
counted more, in qp the command line; only the path of the queue was the other
way round in zope-sendmail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.ini import Ini
from maildropd.foreign.page import Page
from maildropd.foreign.queue_settings import Settings, describe
from maildropd.foreign.said_there import SaidThere


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of the two."""

    section: str
    name: str
    options: frozenset[str]


_TLS: Mapping[str, str] = {
    "ssl": "implicit",
    "force_tls": "required",
    "no_tls": "none",
}
_COMMON = frozenset(
    {"hostname", "port", "username", "password", "force_tls", "no_tls", "queue_path"}
)
ZOPE = Program(
    section="app:zope-sendmail",
    name="zope-sendmail",
    options=_COMMON | {"interval"},
)
REPOZE = Program(
    section="app:qp",
    name="qp",
    options=_COMMON | {"ssl", "debug_smtp"},
)


def boolean(text: str) -> bool:
    """Read a word as both programs did: all else is false."""
    return text.lower().startswith(("t", "y", "1"))


def imported(path: Path) -> Imported:
    """Read the sections of both programs; raise ``Unreadable``."""
    ini, page = Ini(path), Page("zope.sendmail and repoze.sendmail", path)
    found = [each for each in (ZOPE, REPOZE) if each.section in ini.sections()]
    if not found:
        names = f"[{ZOPE.section}] or [{REPOZE.section}]"
        raise Unreadable(str(path), f"there is no section {names}")
    alone = len(found) == 1
    for program in found:
        where = ini.place(program.section)
        describe(_settings(program, ini, page), program.name, page, alone=alone)
        more = "less, but for the queue's path" if program is ZOPE else "more"
        text = f"options on the command line of {program.name} counted {more}"
        page.note(where, program.section, f"{text}: look where it is started")
    if not alone:
        page.say("queue", "relay", found[0].name, ini.place(found[0].section))
    return page.imported()


def _settings(program: Program, ini: Ini, page: Page) -> Settings:
    where, every = ini.place(program.section), ini.options(program.section)
    # "None" is how they wrote what was not said.
    said = {name: one for name, one in every.items() if one.value != "None"}
    for option, one in every.items():
        if option not in program.options:
            text = f"is no option of {program.name}, and left out"
            page.note(one.where, option, text)
    queue_path = said.get("queue_path")
    if queue_path is None:
        text = "queue_path is missing (write the Maildir that was on the command line)"
        raise Unreadable(where, text)
    _check_login(said)
    if "debug_smtp" in said and boolean(said["debug_smtp"].value):
        text = "has no equal: maildropctl and the journal show what a server says"
        page.note(said["debug_smtp"].where, "debug_smtp", text)
    tls, tls_where = _tls(program, said, page)
    return Settings(
        where=where,
        queue_path=queue_path,
        hostname=said.get("hostname"),
        port=said.get("port"),
        username=said.get("username"),
        password=said.get("password"),
        tls=tls,
        tls_where=tls_where or where,
        interval=said.get("interval") if "interval" in program.options else None,
    )


def _check_login(said: Mapping[str, SaidThere]) -> None:
    found = [said[name] for name in ("username", "password") if name in said]
    if len(found) == 1:
        raise Unreadable(found[0].where, "username and password go together")


def _tls(
    program: Program, said: Mapping[str, SaidThere], page: Page
) -> tuple[str, str]:
    """Return how to encrypt, and where that was said."""
    true = {
        name: said[name].where
        for name in _TLS
        if name in said and name in program.options and boolean(said[name].value)
    }
    if "force_tls" in true and "no_tls" in true:
        text = "and force_tls exclude each other; TLS is required from now on"
        page.note(true["no_tls"], "no_tls", text)
    words: dict[str, str] = {
        "ssl": "implicit",
        "force_tls": "required",
        "no_tls": "none",
    }
    name = next(iter(true), "")
    return words.get(name, "opportunistic"), true.get(name, "")
