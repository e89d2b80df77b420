# SPDX-License-Identifier: Apache-2.0
"""The configuration of ssmtp 2.64: ``Key=value``, and revaliases beside it.

It never checked a certificate, and cut values at a blank, = or #.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.page import Page

_RELAY = "relay smarthost"
_KEYS = frozenset(
    (
        *("root", "mailhub", "hostname", "rewritedomain", "fromlineoverride", "usetls"),
        *("usestarttls", "tlscert", "usetlscert", "authuser", "authpass", "authmethod"),
        *("remoteport", "debug", "useoldauth", "addheader", "minuserid"),
    )
)
_CHECKED = "a certificate is checked here (tls_verify = no takes any, as ssmtp did)"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    where: str
    value: str
    rest: str  # what follows the value


def imported(path: Path) -> Imported:
    """Read /etc/ssmtp/ssmtp.conf and revaliases beside it; raise ``Unreadable``."""
    page = Page("ssmtp", path)
    said = _said(path, page)
    _server(said, page, path)
    _talk(said, _RELAY, page)
    _names(said, page)
    _rest(said, page)
    _users(path.with_name("revaliases"), said, page)
    return page.imported()


def _said(path: Path, page: Page) -> Mapping[str, _Said]:
    found: dict[str, _Said] = {}
    for where, line in files.lines(path):
        text = line.partition("#")[0]
        if not text.strip():
            continue
        name, equals, value = (part.strip(" \t=") for part in text.partition("="))
        if not equals and "=" not in text:
            page.note(
                where, name.split()[0], "is passed over: there is no =, as in ssmtp"
            )
            continue
        if name.lower() not in _KEYS:
            page.note(where, name, "is no key of ssmtp's")
            continue
        # As in ssmtp, a colon ends only the name of a hub.
        ends = r"[ \t=:]+" if name.lower() == "mailhub" else r"[ \t=]+"
        words = [*re.split(ends, value, maxsplit=1), ""]
        if words[0]:
            found[name.lower()] = _Said(where=where, value=words[0], rest=words[1])
    return found


def _server(said: Mapping[str, _Said], page: Page, path: Path) -> None:
    hub = said.get("mailhub")
    where = hub.where if hub else str(path)
    page.say(_RELAY, "host", hub.value if hub else "mailhub", where)
    port = said.get("remoteport")
    if hub and hub.rest:
        page.say(_RELAY, "port", hub.rest.strip(), where)
    elif port:
        page.say(_RELAY, "port", port.value, port.where)


def _talk(said: Mapping[str, _Said], section: str, page: Page) -> None:
    """Say how it is spoken to a hub; to all in the same way."""
    _encryption(said, section, page)
    _login(said, section, page)


def _encryption(said: Mapping[str, _Said], section: str, page: Page) -> None:
    starttls, tls = said.get("usestarttls"), said.get("usetls")
    if starttls and _is_yes(starttls):
        page.say(section, "tls", "required", starttls.where)
        page.note(starttls.where, "UseSTARTTLS", _CHECKED)
    elif tls and _is_yes(tls):
        page.say(section, "tls", "implicit", tls.where)
        page.note(tls.where, "UseTLS", _CHECKED)
    else:
        where = said["mailhub"].where if "mailhub" in said else ""
        page.say(section, "tls", "none", where)
        text = "mail is sent in clear, as before (try tls = opportunistic)"
        page.note(where or "mailhub", "UseTLS", text)
        return
    own = said.get("usetlscert")
    if own and _is_yes(own) and (certificate := said.get("tlscert")):
        page.say(section, "tls_certificate", certificate.value, certificate.where)


def _login(said: Mapping[str, _Said], section: str, page: Page) -> None:
    user, password = said.get("authuser"), said.get("authpass")
    if not user:
        return
    page.say(section, "username", user.value, user.where)
    page.say(section, "password_credential", "ssmtp", user.where)
    if password:
        page.keep("ssmtp", password.value.encode(), password.where)
        if password.rest:
            text = "the password ends at the first blank or =, as with ssmtp"
            page.note(password.where, "AuthPass", text)
    else:
        text = "write the password into /etc/maildrop/credentials/ssmtp"
        page.note(user.where, "AuthUser", text)
    method = said.get("authmethod")
    if method and method.value.lower() == "cram-md5":
        page.say(section, "auth", "cram-md5", method.where)
    elif method and method.value.lower() != "login":
        page.note(method.where, "AuthMethod", "the best that is offered is used")
    if not any(_is_yes(said[key]) for key in ("usetls", "usestarttls") if key in said):
        page.say(section, "auth_in_clear", "yes", user.where)
        page.note(user.where, "AuthUser", "the password is sent in clear, as before")


def _names(said: Mapping[str, _Said], page: Page) -> None:
    if host := said.get("hostname"):
        page.say("daemon", "hostname", host.value, host.where)
    domain = said.get("rewritedomain")
    if domain:
        page.say("names", "domain", domain.value, domain.where)
        page.say("names", "rewrite_from", f"@{domain.value}", domain.where)
    if (root := said.get("root")) and root.value:
        default = domain or said.get("hostname")
        suffix = f"@{default.value}" if default else ""
        to = root.value if "@" in root.value else root.value + suffix
        if "@" not in to:
            text = f"write into /etc/aliases who gets the mail of root: {root.value}"
            page.note(root.where, "Root", text)
            return
        page.say("names", "local_to", to, root.where)
        text = "also gets the mail of users from 1000 on: see /etc/aliases for them"
        page.note(root.where, "Root", text)


def _rest(said: Mapping[str, _Said], page: Page) -> None:
    override = said.get("fromlineoverride")
    if override and _is_yes(override):
        page.say("submission", "check_senders", "no", override.where)
    for key, text in (
        ("debug", "the journal has it: journalctl -u maildropd"),
        ("useoldauth", "is not needed"),
        ("addheader", "no field can be added to all mail"),
        ("minuserid", "local_to of [names] takes no number of a user"),
    ):
        if key in said and said[key].value.lower() != "no":
            page.note(said[key].where, key, text)


def _is_yes(said: _Said) -> bool:
    return said.value.lower() == "yes"


def _users(path: Path, said: Mapping[str, _Said], page: Page) -> None:
    """``user:address:mailhub[:port]``: who a user is, and who takes his mail."""
    if not path.exists():
        return
    for where, line in files.lines(path):
        if not line.strip() or line.startswith("#"):
            continue
        user, address, *hub = (part.strip() for part in line.split(":"))
        section = f"submitter {user}"
        if not user or not address:
            raise Unreadable(where, "is not of the form user:address:mailhub")
        page.say(section, "user", user, where)
        page.say(section, "senders", address, where)
        text = f"may send as {address}, but has to say so: no address is set for a user"
        page.note(where, user, text)
        if hub and hub[0]:
            page.say(section, "relay", user, where)
            _hub(f"relay {user}", hub, where, page)
            _talk(said, f"relay {user}", page)


def _hub(section: str, hub: list[str], where: str, page: Page) -> None:
    page.say("queue", "relay", "smarthost", where)
    page.say(section, "host", hub[0], where)
    if hub[1:] and hub[1]:
        page.say(section, "port", hub[1], where)
