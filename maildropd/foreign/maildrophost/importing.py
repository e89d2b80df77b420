# SPDX-License-Identifier: Apache-2.0
"""What a MaildropHost configuration means to us.

One file becomes spools, one relay, and who may leave mail there; whatever has
no equal, or another meaning, is remarked on at its line.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from maildropd.config import limits
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.maildrophost.remarks import remarks
from maildropd.foreign.maildrophost.settings import Settings
from maildropd.foreign.said import said
from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress

NAME = "maildrophost"
"""Of the relay and the submitter, and the beginning of each spool's."""

SECRET = f"{NAME}-password"
_TLS = ("none", "opportunistic", "required")
_MESSAGES = 1_000_000  # on one connection, at most


def imported(path: Path) -> Imported:
    """Read a configuration for the daemon of this host; raise ``Unreadable``."""
    settings = Settings.read(path)
    lines = [
        f"# What {settings.where} said, for maildropd.conf.d.",
        *_daemon(settings),
        *_spools(settings),
        *_relay(settings, f"password_credential = {SECRET}"),
        *_submitter(settings, _owner(settings)),
        *_others(settings),
    ]
    secrets = {SECRET: secret(settings)} if settings.has_login else {}
    found = remarks(settings, known=_owner(settings) is not None)
    return Imported(config="\n".join(lines), secrets=secrets, remarks=found)


def alone(settings: Settings, password_file: Path) -> str:
    """Return a configuration for a daemon that does nothing else.

    Whoever can write into the spool may send in any name, as he always could.
    """
    lines = [
        *_daemon(settings),
        "[submission]",
        "check_senders = no",
        "",
        *_spools(settings),
        *_relay(settings, f"password_file = {password_file}"),
        *_submitter(settings, None),
    ]
    return "\n".join(lines)


def secret(settings: Settings) -> bytes:
    """Return the file of the password; raise ``Unreadable`` if it is none."""
    place, password = settings.place("MAILDROP_PASSWORD"), settings.maildrop_password
    if not password.isprintable():
        why = "MAILDROP_PASSWORD: has more than one line (a password has one)"
        raise Unreadable(place, why)
    return password.encode("utf-8") + b"\n"


def _daemon(settings: Settings) -> Iterator[str]:
    names = ("MAILDROP_LOG_FILE", "MAILDROP_VAR", "MAILDROP_HOME")
    name = next((n for n in names if getattr(settings, n.lower())), names[-1])
    yield "[daemon]"
    yield f"maildrophost_log = {_path(settings, name, settings.log_file)}"
    yield ""


def _drops(settings: Settings) -> Mapping[str, str]:
    """Return the path of each spool by the name that it gets."""
    name = "MAILDROP_SPOOL" if settings.maildrop_spool else "MAILDROP_HOME"
    once = dict.fromkeys(_path(settings, name, each) for each in settings.spools)
    return {
        f"{NAME}{f'-{number}' if number > 1 else ''}": path
        for number, path in enumerate(once, 1)
    }


def _spools(settings: Settings) -> Iterator[str]:
    for name, path in _drops(settings).items():
        yield f"[spool {name}]"
        yield f"path = {path}"
        # 0 had it look without a pause; here a file is noticed at once anyway.
        interval = _duration(settings.maildrop_interval)
        yield f"poll_interval = {'1s' if interval == '0ms' else interval}"
        yield ""


def _relay(settings: Settings, password: str) -> Iterator[str]:
    host = _checked(settings, "SMTP_HOST", settings.smtp_host, limits.host)
    yield f"[relay {NAME}]"
    yield f"host = {host}"
    yield f"port = {settings.smtp_port or 25}"
    yield f"tls = {_TLS[settings.maildrop_tls]}"
    if settings.maildrop_tls == 1:
        yield "tls_verify = no"
    if settings.has_login:
        login = settings.maildrop_login
        yield f"username = {_checked(settings, 'MAILDROP_LOGIN', login)}"
        yield password
        if not settings.maildrop_tls:
            yield "auth_in_clear = yes"
    if settings.maildrop_batch:
        yield f"max_messages = {min(settings.maildrop_batch, _MESSAGES)}"
    if settings.wait_interval:
        # It had one connection; with four it would be four times as fast.
        yield "max_connections = 1"
        yield f"wait_interval = {_duration(settings.wait_interval)}"
    yield ""


def _submitter(settings: Settings, owner: int | None) -> Iterator[str]:
    """Let the spool's owner send in any name; and all his mail to one place."""
    if owner is None and not settings.debug_receiver:
        return
    yield f"[submitter {NAME}]"
    if owner is not None:
        yield f"uid = {owner}"
        yield "senders = *"
        yield f"relay = {NAME}"
    if settings.debug_receiver:
        yield f"redirect_to = {_receiver(settings)}"
    yield ""


def _others(settings: Settings) -> Iterator[str]:
    """Let nobody's mail get out of a spool that is to reach one place."""
    if not settings.debug_receiver:
        return
    yield f"[submitter {NAME}-spool]"
    yield f"spool = {' '.join(_drops(settings))}"
    yield f"relay = {NAME}"
    yield f"redirect_to = {_receiver(settings)}"
    yield ""


def _owner(settings: Settings) -> int | None:
    """Return whose the first spool is; None where nobody can tell."""
    try:
        return os.stat(settings.spools[0]).st_uid
    except (OSError, ValueError):
        return None


def _receiver(settings: Settings) -> str:
    """Return the first address: mail that is to reach nobody must not get out."""
    try:
        found = parse_list(settings.debug_receiver)
    except BadAddress as error:
        why = f"DEBUG_RECEIVER: is not an address ({error})"
        raise Unreadable(settings.place("DEBUG_RECEIVER"), why) from error
    first = found[0] if found else settings.debug_receiver
    return _checked(settings, "DEBUG_RECEIVER", first, limits.address)


def _path(settings: Settings, name: str, path: str) -> str:
    if not path.startswith("/"):
        why = f"{name}: is not a path from the root (begin it with /)"
        raise Unreadable(settings.place(name), why)
    return _checked(settings, name, path)


def _checked(
    settings: Settings,
    name: str,
    value: str,
    limit: Callable[[str], str | None] | None = None,
) -> str:
    trouble = said(value) or (limit(value) if limit else None)
    if trouble:
        raise Unreadable(settings.place(name), f"{name}: {trouble}")
    return value


def _duration(seconds: float) -> str:
    if seconds == int(seconds) and seconds:
        return f"{int(seconds)}s"
    milliseconds = round(seconds * 1000)
    return f"{max(milliseconds, 1) if seconds else 0}ms"
