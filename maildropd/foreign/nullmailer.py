# SPDX-License-Identifier: Apache-2.0
"""The configuration of nullmailer 2.2: a folder of files, each with one setting."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.nullmailer_remote import Remote, describe
from maildropd.foreign.page import Page

_DURATIONS: Mapping[str, tuple[str, str]] = {
    "pausetime": ("queue", "first_retry"),
    "maxpause": ("queue", "slowest_retry"),
    "queuelifetime": ("queue", "give_up_after"),
}
_WITHOUT_EQUAL: Mapping[str, str] = {
    "idhost": "a Message-ID is made with hostname of [daemon]",
    "bouncelines": "a report has the whole header, see return_limit of [bounces]",
    "bounceto": "reports go to the sender of the mail, and to nobody else",
    "sendtimeout": "each step of a delivery has a limit of its own, see [relay NAME]",
}
_KNOWN = frozenset(
    (
        *_DURATIONS,
        *_WITHOUT_EQUAL,
        *("adminaddr", "allmailfrom", "defaultdomain", "defaulthost", "doublebounceto"),
        *("helohost", "me", "remotes"),
    )
)


def imported(path: Path) -> Imported:
    """Read the folder, /etc/nullmailer; raise ``Unreadable``."""
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise Unreadable(
            str(path), f"{why} (the folder /etc/nullmailer is meant)"
        ) from (error)
    folder = _Folder(path)
    page = Page("nullmailer", path)
    _remotes(path / "remotes", page)
    _names(folder, page)
    _times(folder, page)
    _reports(folder, page)
    for name in names:
        if name in _WITHOUT_EQUAL and folder.get(name):
            page.note(str(path / name), name, _WITHOUT_EQUAL[name])
        elif name not in _KNOWN:
            page.note(str(path / name), name, "is no file of nullmailer's")
    return page.imported()


class _Folder:
    """Its files, each read for the first line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def where(self, name: str) -> str:
        return str(self._path / name)

    def get(self, name: str) -> str:
        return files.first_line(self._path / name)

    def own_name(self) -> str:
        """Debian's has the host's name in /etc/mailname, beside the folder."""
        return self.get("me") or files.first_line(self._path.parent / "mailname")


def _remotes(path: Path, page: Page) -> None:
    """One relay, or several that are asked in their order."""
    remotes = list(_listed(path, page))
    if not remotes:
        raise Unreadable(str(path), "names no remote that speaks SMTP")
    names = ["smarthost", *(f"smarthost{n}" for n in range(2, len(remotes) + 1))]
    for name, remote in zip(names, remotes, strict=True):
        describe(remote, name, page)
    if len(remotes) > 1:
        where = remotes[1].where
        page.say("queue", "relay", names[0], where)
        page.say("route remotes", "recipient", "*", where)
        page.say("route remotes", "relay", ", ".join(names), where)


def _listed(path: Path, page: Page) -> Iterator[Remote]:
    for where, line in files.lines(path):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise Unreadable(where, f"{error}".lower()) from None
        host, *rest = words
        protocol = rest[0] if rest else "smtp"
        if protocol != "smtp":
            page.note(where, host, f"{protocol} is not spoken here, and it is left out")
            continue
        yield Remote(where=where, host=host, options=tuple(rest[1:]))


def _names(folder: _Folder, page: Page) -> None:
    own = folder.own_name()
    hello = folder.get("helohost") or own
    if hello:
        name = "helohost" if folder.get("helohost") else "me"
        page.say("daemon", "hostname", hello, folder.where(name))
    domain = _completed(folder.get("defaulthost") or own, folder, own)
    if domain:
        page.say("names", "domain", domain, folder.where("defaulthost"))
    if own and own not in (domain, hello):
        page.say("names", "local_names", own, folder.where("me"))
    _addresses(folder, page)


def _completed(host: str, folder: _Folder, own: str) -> str:
    """Append defaultdomain to a name without a dot, as nullmailer-inject does."""
    domain = folder.get("defaultdomain") or own
    if not host or "." in host or host == "localhost" or not domain:
        return host
    return f"{host}.{domain}"


def _addresses(folder: _Folder, page: Page) -> None:
    if admin := folder.get("adminaddr"):
        where = folder.where("adminaddr")
        if "," in admin:
            text = "names several: write them into /etc/aliases, for each local name"
            page.note(where, "adminaddr", text)
        else:
            page.say("names", "local_to", admin, where)
    if sender := folder.get("allmailfrom"):
        page.say("names", "rewrite_from", sender, folder.where("allmailfrom"))
        text = "holds for senders at names of this host; others keep their own"
        page.note(folder.where("allmailfrom"), "allmailfrom", text)


def _times(folder: _Folder, page: Page) -> None:
    for name, (section, key) in _DURATIONS.items():
        said, where = folder.get(name), folder.where(name)
        if not said:
            continue
        if not (said.isascii() and said.isdigit()):
            raise Unreadable(where, "is not a number of seconds")
        if int(said):
            page.say(section, key, f"{int(said)}s", where)
        else:
            page.note(where, name, "0 is left out: this daemon always stays")
    if not folder.get("queuelifetime"):
        page.say("queue", "give_up_after", "7d", folder.where("queuelifetime"))


def _reports(folder: _Folder, page: Page) -> None:
    for name in ("doublebounceto", "adminaddr"):
        to = folder.get(name)
        if to and "," not in to:
            page.say("bounces", "double_bounces_to", to, folder.where(name))
            return
