# SPDX-License-Identifier: Apache-2.0
"""One account of msmtp's, said as a relay of ours."""

import os
import pwd
import re
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.msmtp_words import AS_DEFAULT, WITHOUT_EQUAL, Account, Said
from maildropd.foreign.page import Page

_MECHANISMS = ("plain", "login", "cram-md5", "scram-sha-256", "oauthbearer", "xoauth2")


class _Relay:
    """A section that is being written."""

    def __init__(self, account: Account, name: str, page: Page, home: Path) -> None:
        self.account, self.name, self.page = account, name, page
        self.section = f"relay {name}"
        self._home = home

    def get(self, command: str) -> Said | None:
        return self.account.said.get(command)

    def say(self, key: str, value: object, said: Said) -> None:
        self.page.say(self.section, key, value, said.where)

    def note(self, command: str, text: str) -> None:
        self.page.note(self.account.said[command].where, command, text)

    def path(self, said: Said) -> str:
        """Return a path; a tilde is the home of whoever has the file."""
        if not said.value.startswith("~"):
            return said.value
        try:
            home = pwd.getpwuid(os.stat(self._home).st_uid).pw_dir
        except (KeyError, OSError):
            raise Unreadable(said.where, "whose home is ~ here?") from None
        return home + said.value[1:]


def describe(account: Account, name: str, page: Page, *, home: Path) -> None:
    """Write the section of a relay, and remark on what it cannot say."""
    relay = _Relay(account, name, page, home)
    for step in (_server, _encryption, _authorities, _certificate, _login):
        step(relay)
    if name == "smarthost":
        _sender(relay)
        _aliases(relay)
    for command, said in account.said.items():
        value = said.value.lower()
        is_default = value in AS_DEFAULT.get(command, ("",))
        if command in WITHOUT_EQUAL and not is_default:
            page.note(said.where, command, WITHOUT_EQUAL[command])


def _server(relay: _Relay) -> None:
    if (said := relay.get("socket")) and said.value:
        relay.say("socket", relay.path(said), said)
    else:
        relay.say("host", relay.account.said["host"].value, relay.account.said["host"])
        if (said := relay.get("port")) and said.value:
            relay.say("port", _port(said), said)
    if said := relay.get("protocol"):
        relay.say("protocol", said.value, said)
    if (said := relay.get("domain")) and said.value not in ("", "localhost"):
        if "%" in said.value:
            relay.note(
                "domain", "is the hostname of [daemon], by default the host's own"
            )
        else:
            relay.say("hostname", said.value, said)
    said = relay.get("timeout") or relay.get("connect_timeout")
    if said and said.value not in ("off", ""):
        for key in ("connect_timeout", "command_timeout"):
            relay.say(key, f"{said.value}s", said)


def _port(said: Said) -> str:
    """Return a number; a service may have a name."""
    names = {"smtp": "25", "smtps": "465", "submission": "587", "submissions": "465"}
    return names.get(said.value, said.value)


def _encryption(relay: _Relay) -> None:
    tls = relay.get("tls")
    if not tls or not tls.on:
        relay.say("tls", "none", tls or relay.account.said["host"])
        return
    if relay.get("socket"):
        relay.note("tls", "is left out: a socket needs none")
        return
    starttls = relay.get("tls_starttls")
    is_implicit = starttls is not None and not starttls.on
    relay.say("tls", "implicit" if is_implicit else "required", tls)


def _authorities(relay: _Relay) -> None:
    if (said := relay.get("tls_certcheck")) and not said.on:
        relay.say("tls_verify", "no", said)
        relay.note("tls_certcheck", "any certificate is taken, as before")
        return
    if (said := relay.get("tls_trust_file")) and said.value not in ("system", ""):
        relay.say("tls_ca_file", relay.path(said), said)
    said = relay.get("tls_fingerprint")
    if not said or not said.value:
        return
    if len(said.value.replace(":", "")) != 64:
        text = "is no SHA-256, and left out: the certificate is checked by authority"
        relay.note("tls_fingerprint", text)
    elif (tls := relay.get("tls")) and tls.on:
        relay.say("tls_fingerprint", f"sha256:{said.value}", said)


def _certificate(relay: _Relay) -> None:
    cert, key = relay.get("tls_cert_file"), relay.get("tls_key_file")
    tls = relay.get("tls")
    if not (cert and cert.value and tls and tls.on):
        return
    relay.say("tls_certificate", relay.path(cert), cert)
    if key and key.value:
        relay.say("tls_key", relay.path(key), key)


def _login(relay: _Relay) -> None:
    auth, user = relay.get("auth"), relay.get("user")
    method = auth.value.lower() if auth else "off"
    if auth is None or method == "off":
        return
    if user is None or not user.value:
        relay.note("auth", "is left out: there is no user")
        return
    relay.say("username", user.value, user)
    if method in _MECHANISMS:
        relay.say("auth", method, auth)
    elif method not in ("on", ""):
        relay.note("auth", f"{method} is not spoken: the best that is offered is used")
    if not ((tls := relay.get("tls")) and tls.on):
        relay.say("auth_in_clear", "yes", user)
        relay.note("user", "the password is sent in clear, as before (try tls on)")
    _password(relay, method)


def _password(relay: _Relay, method: str) -> None:
    credential = f"msmtp-{relay.name}" if relay.name != "smarthost" else "msmtp"
    user = relay.account.said["user"]
    password = relay.get("password")
    if method in ("oauthbearer", "xoauth2"):
        relay.say("token_file", f"/etc/maildrop/credentials/{credential}", user)
        text = "a program must keep the token there, or see oauth_token_endpoint"
        relay.note("auth", text)
        return
    relay.say("password_credential", credential, user)
    if password and password.value:
        relay.page.keep(credential, password.value.encode(), password.where)
        return
    text = f"is not run: write the password into /etc/maildrop/credentials/{credential}"
    if relay.get("passwordeval"):
        relay.note("passwordeval", text)
    else:
        relay.note("user", text.replace("is not run", "has no password here"))


def _sender(relay: _Relay) -> None:
    if (said := relay.get("maildomain")) and said.value and relay.get("auto_from"):
        relay.page.say("names", "domain", said.value, said.where)
    said = relay.get("from")
    if not said or not said.value:
        return
    user, _, domain = said.value.rpartition("@")
    if not re.search(r"[][%*?]", said.value):
        relay.page.say("names", "rewrite_from", said.value, said.where)
        text = "holds for senders at names of this host; others keep their own"
        relay.note("from", text)
    elif user in ("%U", "*") and not re.search(r"[][%*?]", domain):
        relay.page.say("names", "domain", domain, said.where)
    else:
        relay.note("from", "senders without a domain get that of [names]")


def _aliases(relay: _Relay) -> None:
    """Its aliases have one more word than ours: ``default`` stands for all others."""
    said = relay.get("aliases")
    if not said or not said.value:
        return
    path = Path(relay.path(said))
    relay.page.say("names", "aliases", path, said.where)
    if not path.exists():
        relay.note("aliases", "there is no such file")
        return
    for where, line in files.lines(path):
        name, _, to = (part.strip() for part in line.partition("#")[0].partition(":"))
        if name.lower() == "default" and to:
            _default(relay.page, to, where)


def _default(page: Page, to: str, where: str) -> None:
    if "," in to:
        page.note(where, "default", "names several: local_to of [names] takes one")
    else:
        page.say("names", "local_to", to, where)
