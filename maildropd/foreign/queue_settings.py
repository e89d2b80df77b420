# SPDX-License-Identifier: Apache-2.0
"""What zope.sendmail, repoze.sendmail and gs.email were told, in our words.

All three had a Maildir, one server to send it to, and the same few options.
"""

import os
import pwd
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.page import Page
from maildropd.foreign.said_there import SaidThere

_PASSING = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - what others should leave


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one Maildir; None was not said."""

    where: str  # of the section
    queue_path: SaidThere
    hostname: SaidThere | None = None
    port: SaidThere | None = None
    username: SaidThere | None = None
    password: SaidThere | None = None
    tls: str = "opportunistic"
    tls_where: str = ""
    interval: SaidThere | None = None
    hold: bool = False
    verp: bool = False

    @property
    def has_login(self) -> bool:
        """Tell whether there are both a name and a password."""
        return self.username is not None and self.password is not None


def describe(settings: Settings, name: str, page: Page, *, alone: bool) -> None:
    """Say it all of one Maildir; ``alone`` if there is no other."""
    relay = "smarthost" if alone else name
    _spool(settings, name, page)
    _relay(settings, relay, name, page)
    _submitter(settings, name, page)
    if not alone:
        page.say(f"route {name}", "submitter", f"spool={name}", settings.where)
        page.say(f"route {name}", "relay", relay, settings.where)


def _spool(settings: Settings, name: str, page: Page) -> None:
    section, where = f"spool {name}", settings.queue_path.where
    path = Path(settings.queue_path.value)
    if not path.is_absolute():
        raise Unreadable(where, f'"{path}" is no path from the root (write it in full)')
    page.say(section, "form", "maildir", where)
    page.say(section, "path", str(path), where)
    page.say(section, "quarantine", "/var/spool/maildrop/quarantine", where)
    if any(folder in path.parents for folder in _PASSING):
        text = (
            f"{path} can be made by anybody before you, and systemd hides it from the"
            " service: let the application queue somewhere else, and write that here"
        )
        page.note(where, "queue path", text)
    if settings.interval is not None:
        _interval(settings.interval, section, page)
    if settings.verp:
        page.say(section, "verp", "yes", settings.where)
    if settings.hold:
        page.say(section, "hold", "yes", settings.where)
        text = "mail is kept in the queue, and sent when maildropctl release says so"
        page.note(settings.where, "processorthread", text)


def _interval(said: SaidThere, section: str, page: Page) -> None:
    try:
        thousandths = round(float(said.value) * 1000)
    except (ValueError, OverflowError):
        raise Unreadable(
            said.where, f'"{said.value}" is no number of seconds'
        ) from None
    page.say(section, "poll_interval", f"{max(thousandths, 1000)}ms", said.where)


def _relay(settings: Settings, relay: str, name: str, page: Page) -> None:
    section = f"relay {relay}"
    if settings.hostname is not None:
        page.say(section, "host", settings.hostname.value, settings.hostname.where)
    if settings.port is not None:
        page.say(section, "port", settings.port.value, settings.port.where)
    where = settings.tls_where or settings.where
    page.say(section, "tls", settings.tls, where)
    if settings.tls == "opportunistic":
        page.say(section, "tls_verify", "no", where)
    elif settings.tls != "none":
        text = "certificates are verified from now on (tls_verify = no does not)"
        page.note(where, "tls", text)
    _login(settings, section, name, page)


def _login(settings: Settings, section: str, name: str, page: Page) -> None:
    username, password = settings.username, settings.password
    if username is None or password is None:
        if one := username or password:
            page.note(one.where, "username", "without a password there is no login")
        return
    secret = f"{name}-password"
    page.say(section, "username", username.value, username.where)
    page.say(section, "password_credential", secret, password.where)
    page.keep(secret, password.value.encode(), password.where)
    if settings.tls == "none":
        page.say(section, "auth_in_clear", "yes", settings.tls_where)
        text = "the password goes over the network in clear, as it did"
        page.note(settings.tls_where, "no_tls", text)
    elif settings.tls == "opportunistic":
        text = "the password is not sent any more where the server offers no TLS"
        page.note(password.where, "password", text)


def _submitter(settings: Settings, name: str, page: Page) -> None:
    """Let the owner of the Maildir send in any name, as he always could."""
    where, path = settings.queue_path.where, settings.queue_path.value
    with suppress(OSError):
        owner = os.stat(path).st_uid
        if owner:  # root may do so anyway
            page.say(f"submitter {name}", "uid", str(owner), where)
            page.say(f"submitter {name}", "senders", "*", where)
        text = (
            f"mode 0600 keeps the mail of {_account(owner)} from the service: see"
            ' "A queue in a Maildir" in maildropd(8)'
        )
        page.note(where, "queue path", text)
        return
    text = (
        f"{path} is not there: write [submitter {name}] with the application's user"
        " and senders = *, or its mail is sent in that user's own name"
    )
    page.note(where, "queue path", text)


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
