# SPDX-License-Identifier: Apache-2.0
"""One line of nullmailer's ``remotes``, said as a relay of ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from maildropd.foreign.page import Page

_CLEAR = "is sent in clear, as before (try starttls, or tls = required here)"
_WITHOUT_EQUAL: Mapping[str, str] = {
    "x509crlfile": "revocation lists are not read",
    "x509fmtder": "certificates are read in PEM only: convert the files",
    "tls-anon-auth": "TLS without any certificate is not spoken",
    "source": "the address to send from cannot be chosen",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A server, and the options behind it."""

    where: str
    host: str
    options: tuple[str, ...]

    def said(self) -> dict[str, str]:
        """Return the options by name; one without a value has none."""
        pairs = [option.removeprefix("--").partition("=") for option in self.options]
        return {name: value for name, _, value in pairs}


def describe(remote: Remote, name: str, page: Page) -> None:
    """Write the section of a relay."""
    section, where, said = f"relay {name}", remote.where, remote.said()
    page.say(section, "host", remote.host, where)
    _encrypt(section, remote, page)
    for option, value in said.items():
        if act := _ACTS.get(option):
            act(partial(page.say, section, where=where), value)
        elif option in _WITHOUT_EQUAL:
            page.note(where, option, _WITHOUT_EQUAL[option])
        elif option not in ("user", "pass", "tls", "ssl", "starttls"):
            # Not shown: it may be a password with a blank before it.
            page.note(where, remote.host, "an option that is not known is left out")
    if "user" in said and "pass" in said:
        page.say(section, "username", said["user"], where)
        credential = name.replace("smarthost", "nullmailer")
        page.say(section, "password_credential", credential, where)
        page.keep(credential, said["pass"].encode(), where)


def _encrypt(section: str, remote: Remote, page: Page) -> None:
    said, where = remote.said(), remote.where
    if "tls" in said or "ssl" in said:
        page.say(section, "tls", "implicit", where)
    elif "starttls" in said:
        page.say(section, "tls", "required", where)
    else:
        page.say(section, "tls", "none", where)
        page.note(where, remote.host, f"mail {_CLEAR}")
        if "user" in said:
            page.say(section, "auth_in_clear", "yes", where)
            page.note(where, "pass", f"the password {_CLEAR}")


Say = Callable[[str, str], None]
_ACTS: Mapping[str, Callable[[Say, str], None]] = {
    "port": lambda say, value: say("port", value),
    "auth-login": lambda say, _: say("auth", "login"),
    "insecure": lambda say, _: say("tls_verify", "no"),
    "x509certfile": lambda say, value: say("tls_certificate", value),
    "x509keyfile": lambda say, value: say("tls_key", value),
    "x509cafile": lambda say, value: say("tls_ca_file", value),
}
