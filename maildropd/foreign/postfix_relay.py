# SPDX-License-Identifier: Apache-2.0
"""Where a Postfix sends its mail, said as a relay of ours."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.page import Page
from maildropd.foreign.postfix_words import Parameters, Said

_RELAY = "relay smarthost"
_PORTS: Mapping[str, str] = {
    "smtp": "25",
    "submission": "587",
    "submissions": "465",
    "smtps": "465",
}
_HOST = re.compile(r"(?:\[(?P<alone>[^]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\w+))?")
_TABLES = ("hash", "btree", "lmdb", "dbm", "cdb", "texthash")
_LEVELS: Mapping[str, str] = {
    "none": "none",
    "may": "opportunistic",
    "dane": "opportunistic",
    "encrypt": "required",
    "dane-only": "required",
    "fingerprint": "required",
    "verify": "required",
    "secure": "required",
}


def describe(found: Parameters, page: Page) -> None:
    """Write the section of the relay."""
    to = found.get("relayhost")
    if to is None or not to.value:
        where = to.where if to else found.file
        page.say("route everywhere", "recipient", "*", where)
        page.say("route everywhere", "mx", "smarthost", where)
    else:
        _host(to, page)
    _encryption(found, page)
    _authorities(found, page)
    if to and to.value and found.is_yes("smtp_sasl_auth_enable"):
        _login(to, found, page)
    _pace(found, page)


def _host(to: Said, page: Page) -> None:
    parts = _HOST.fullmatch(to.value)
    if not parts:
        raise Unreadable(to.where, f'"{to.value}" is no host')
    page.say(_RELAY, "host", parts["alone"] or parts["host"], to.where)
    if parts["port"]:
        port = _PORTS.get(parts["port"], parts["port"])
        page.say(_RELAY, "port", port, to.where)
    if parts["host"] and not re.fullmatch(r"[0-9.]+", parts["host"]):
        text = "is taken for a host: its MX records are not asked (as with [host])"
        page.note(to.where, "relayhost", text)


def _level(found: Parameters) -> tuple[str, str]:
    said = found.get("smtp_tls_security_level")
    if said and said.value:
        if said.value not in _LEVELS:
            raise Unreadable(said.where, f'"{said.value}" is no level of TLS')
        return said.value, said.where
    for name, level in (("smtp_enforce_tls", "encrypt"), ("smtp_use_tls", "may")):
        if (said := found.get(name)) and found.is_yes(name):
            return level, said.where
    return "none", found.file


def _encryption(found: Parameters, page: Page) -> None:
    level, where = _level(found)
    if found.is_yes("smtp_tls_wrappermode"):
        page.say(_RELAY, "tls", "implicit", where)
    else:
        page.say(_RELAY, "tls", _LEVELS[level], where)
    if level == "none" and not found.is_yes("smtp_tls_wrappermode"):
        text = "mail is sent in clear, as before (try tls = opportunistic)"
        page.note(where, "smtp_tls_security_level", text)
    elif level == "fingerprint":
        _fingerprints(found, page)
    elif level in ("may", "dane"):
        page.say(_RELAY, "tls_verify", "no", where)
        text = "no certificate is checked, as before"
        if level == "dane":
            text = "TLSA records are not asked: no certificate is checked"
        page.note(where, "smtp_tls_security_level", text)
    elif level in ("encrypt", "dane-only"):
        text = (
            "a certificate is checked here (tls_verify = no takes any, as encrypt does)"
        )
        page.note(where, "smtp_tls_security_level", text)


def _fingerprints(found: Parameters, page: Page) -> None:
    said, digest = (
        found.get("smtp_tls_fingerprint_cert_match"),
        found.get("smtp_tls_fingerprint_digest"),
    )
    if said is None or (digest and digest.value != "sha256"):
        where = said.where if said else found.file
        text = (
            "a fingerprint must be of SHA-256: the certificate is checked by authority"
        )
        page.note(where, "smtp_tls_fingerprint_cert_match", text)
        return
    words = [word for word in re.split(r"[,\s|]+", said.value) if word]
    prints = ", ".join(f"sha256:{word}" for word in words)
    page.say(_RELAY, "tls_fingerprint", prints, said.where)


def _authorities(found: Parameters, page: Page) -> None:
    said = found.get("smtp_tls_CAfile")
    if said and said.value not in ("", "/etc/ssl/certs/ca-certificates.crt"):
        page.say(_RELAY, "tls_ca_file", said.value, said.where)
    if (said := found.get("smtp_tls_CApath")) and said.value not in (
        "",
        "/etc/ssl/certs",
    ):
        text = "a folder cannot be named: the system's authorities are trusted"
        page.note(said.where, "smtp_tls_CApath", text)
    own, key = found.get("smtp_tls_cert_file"), found.get("smtp_tls_key_file")
    if own and own.value and _level(found)[0] != "none":
        page.say(_RELAY, "tls_certificate", own.value, own.where)
        if key and key.value not in ("", own.value):
            page.say(_RELAY, "tls_key", key.value, key.where)


def _login(to: Said, found: Parameters, page: Page) -> None:
    maps = found.get("smtp_sasl_password_maps")
    if maps is None or not maps.value:
        text = "there are no smtp_sasl_password_maps: no password is known"
        page.note(found.file, "smtp_sasl_auth_enable", text)
        return
    where, user, password = _entry(to, maps)
    if not user:
        text = f"has nothing for {to.value}: no password is known"
        page.note(maps.where, "smtp_sasl_password_maps", text)
        return
    page.say(_RELAY, "username", user, where)
    page.say(_RELAY, "password_credential", "postfix", where)
    page.keep("postfix", password.encode(), where)
    if _level(found)[0] == "none" and not found.is_yes("smtp_tls_wrappermode"):
        page.say(_RELAY, "auth_in_clear", "yes", where)
        page.note(where, "smtp_sasl_auth_enable", "the password is sent in clear")
    for name in ("smtp_sasl_security_options", "smtp_sasl_mechanism_filter"):
        if said := found.get(name):
            page.note(said.where, name, "the best mechanism that is offered is used")


def _entry(to: Said, maps: Said) -> tuple[str, str, str]:
    """Look up ``user:password`` as Postfix does: by the relayhost as it is written."""
    kind, _, name = maps.value.partition(":")
    if kind in ("static", "inline"):
        user, _, password = name.partition(":")
        return maps.where, user, password
    if kind not in _TABLES:
        raise Unreadable(maps.where, f"{maps.value} cannot be read (hash: can be)")
    found = dict(_table(Path(name)))
    parts = _HOST.fullmatch(to.value)
    alone = parts and (parts["alone"] or parts["host"])
    for key in (to.value, alone or ""):
        if key in found:
            where, value = found[key]
            user, _, password = value.partition(":")
            return where, user, password
    return maps.where, "", ""


def _table(path: Path) -> Iterator[tuple[str, tuple[str, str]]]:
    for where, line in files.lines(path):
        if line.strip() and not line.lstrip().startswith("#"):
            key, *value = line.split(maxsplit=1)
            yield key, (where, "".join(value).strip())


def _pace(found: Parameters, page: Page) -> None:
    for names, key in (
        (
            (
                "smtp_destination_concurrency_limit",
                "default_destination_concurrency_limit",
            ),
            "max_connections",
        ),
        (
            ("smtp_destination_recipient_limit", "default_destination_recipient_limit"),
            "max_recipients",
        ),
    ):
        said = next(filter(None, map(found.get, names)), None)
        if said and said.value.isdigit() and int(said.value):
            page.say(_RELAY, key, min(int(said.value), 100), said.where)
    if name := found.get("smtp_helo_name"):
        page.say(_RELAY, "hostname", name.value, name.where)
    for parameter, key in (
        ("smtp_connect_timeout", "connect_timeout"),
        ("smtp_data_done_timeout", "final_timeout"),
    ):
        said = found.get(parameter)
        if said and re.fullmatch(r"[1-9][0-9]*s?", said.value):
            page.say(_RELAY, key, said.value.removesuffix("s") + "s", said.where)
