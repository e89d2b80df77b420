# SPDX-License-Identifier: Apache-2.0
"""The configuration of dma 0.13: ``NAME value``, and auth.conf.

It checks a certificate by its fingerprint only, and delivers to local mailboxes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.page import Page

_RELAY = "relay smarthost"
_FLAGS = frozenset(
    (
        *("SECURETRANSFER", "STARTTLS", "OPPORTUNISTIC_TLS", "SECURE", "INSECURE"),
        *("DEFER", "FULLBOUNCE", "NULLCLIENT"),
    )
)
_VALUES = frozenset(
    (
        *("SMARTHOST", "PORT", "ALIASES", "SPOOLDIR", "AUTHPATH", "FINGERPRINT"),
        *("CERTFILE", "MAILNAME", "MASQUERADE", "VIRTPATH"),
    )
)
_CHECKED = "a certificate is checked here (tls_verify = no takes any, as dma did)"
_WITHOUT_EQUAL: Mapping[str, str] = {
    "SPOOLDIR": "maildropctl import-queue dma takes what is in it",
    "DEFER": "mail is sent at once, or held for a submitter: see maildropctl hold",
    "FULLBOUNCE": "a report has the whole mail where its sender asked for it",
    "VIRTPATH": "see forward_map of [names]",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    where: str
    value: str


def imported(path: Path) -> Imported:
    """Read /etc/dma/dma.conf and what it names; raise ``Unreadable``."""
    page = Page("dma", path)
    said = _said(path)
    if (smarthost := said.get("SMARTHOST")) and smarthost.value:
        page.say(_RELAY, "host", smarthost.value, smarthost.where)
    else:
        _by_mx(page, str(path))
    if port := said.get("PORT"):
        page.say(_RELAY, "port", port.value, port.where)
    _encryption(said, page, str(path))
    if smarthost and smarthost.value:
        _login(said, smarthost.value, page)
    _names(said, page)
    _local(said, page, str(path))
    for name, text in _WITHOUT_EQUAL.items():
        if name in said:
            page.note(said[name].where, name, text)
    # dma gives up after five days, as we do.
    return page.imported()


def _said(path: Path) -> Mapping[str, _Said]:
    found: dict[str, _Said] = {}
    for where, line in files.lines(path):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, _, value = text.partition(" ")
        if name not in _FLAGS | _VALUES:
            raise Unreadable(where, f"{name} is no setting of dma's")
        found[name] = _Said(where=where, value=value.strip())
    return found


def _by_mx(page: Page, where: str) -> None:
    """Without a smarthost it asks DNS for each domain's servers."""
    page.say("route everywhere", "recipient", "*", where)
    page.say("route everywhere", "mx", "smarthost", where)


def _encryption(said: Mapping[str, _Said], page: Page, path: str) -> None:
    secure = said.get("SECURETRANSFER")
    if not secure:
        page.say(_RELAY, "tls", "none", path)
        text = "mail is sent in clear, as before (try tls = opportunistic)"
        page.note(path, "SECURETRANSFER", text)
        return
    mode = "implicit"
    if "STARTTLS" in said:
        mode = "opportunistic" if "OPPORTUNISTIC_TLS" in said else "required"
    page.say(_RELAY, "tls", mode, secure.where)
    if (print_ := said.get("FINGERPRINT")) and print_.value:
        if mode == "opportunistic":
            page.say(_RELAY, "tls", "required", print_.where)
            text = "can be checked only where TLS is required, which it is now"
            page.note(print_.where, "FINGERPRINT", text)
        page.say(_RELAY, "tls_fingerprint", f"sha256:{print_.value}", print_.where)
    elif mode == "opportunistic" or not said.get("SMARTHOST", secure).value:
        page.say(_RELAY, "tls_verify", "no", secure.where)
        page.note(secure.where, "SECURETRANSFER", "any certificate is taken, as before")
    else:
        page.note(secure.where, "SECURETRANSFER", _CHECKED)
    if (certificate := said.get("CERTFILE")) and certificate.value:
        page.say(_RELAY, "tls_certificate", certificate.value, certificate.where)


def _login(said: Mapping[str, _Said], smarthost: str, page: Page) -> None:
    path = said.get("AUTHPATH")
    if not path or not path.value or not Path(path.value).exists():
        return
    for where, line in files.lines(Path(path.value)):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        user, bar, rest = text.partition("|")
        host, colon, password = rest.partition(":")
        if not (bar and colon and user and password):
            raise Unreadable(where, "is not of the form user|smarthost:password")
        if host != smarthost:
            page.note(where, host, "is left out: it is not the smarthost")
            continue
        if page.has(_RELAY, "username"):
            page.note(where, user, "is left out: the first line of a host counts")
            continue
        page.say(_RELAY, "username", user, where)
        page.say(_RELAY, "password_credential", "dma", where)
        page.keep("dma", password.encode(), where)
        _in_clear(said, page)


def _in_clear(said: Mapping[str, _Said], page: Page) -> None:
    if "INSECURE" in said:
        page.say(_RELAY, "auth_in_clear", "yes", said["INSECURE"].where)
        text = "the password is sent in clear where there is no TLS, as before"
        page.note(said["INSECURE"].where, "INSECURE", text)
    elif "SECURETRANSFER" not in said:
        # dma would not log in: it says so, and tries without.
        where = said["AUTHPATH"].where
        page.say(_RELAY, "tls", "required", where)
        text = "dma logs in only where there is TLS, which is required now"
        page.note(where, "AUTHPATH", text)


def _names(said: Mapping[str, _Said], page: Page) -> None:
    if (name := said.get("MAILNAME")) and name.value:
        own = name.value
        if own.startswith("/"):
            own = files.first_line(Path(own))
        if own:
            page.say("daemon", "hostname", own, name.where)
            page.say("names", "domain", own, name.where)
    if (aliases := said.get("ALIASES")) and aliases.value:
        page.say("names", "aliases", aliases.value, aliases.where)
    if (masquerade := said.get("MASQUERADE")) and masquerade.value:
        _masquerade(masquerade, page)


def _masquerade(said: _Said, page: Page) -> None:
    """``host``, ``user@`` or ``user@host``."""
    user, at, host = said.value.rpartition("@")
    if at and not host:
        text = "a user alone cannot be put before the host: write user@host"
        page.note(said.where, "MASQUERADE", text)
        return
    page.say("names", "rewrite_from", f"{user}@{host}", said.where)
    text = "holds for senders at names of this host; others keep their own"
    page.note(said.where, "MASQUERADE", text)


def _local(said: Mapping[str, _Said], page: Page, path: str) -> None:
    if "NULLCLIENT" in said:
        return
    text = (
        "mail for users of this host went to /var/mail: here it goes to the relay,"
        " unless /etc/aliases, local_to of [names] or a [route NAME] says otherwise"
    )
    page.note(path, "NULLCLIENT", text)
