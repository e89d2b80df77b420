# SPDX-License-Identifier: Apache-2.0
"""What of a MaildropHost configuration has no equal here, or another meaning."""

import os
from collections.abc import Iterator

from maildropd.foreign.imported import Remark
from maildropd.foreign.maildrophost.settings import Settings

_HIDDEN = ("tmp", "var/tmp", "home", "root")  # from the service

Row = tuple[bool, str, str]
"""Whether it is so, the variable, and what becomes of it."""


def remarks(settings: Settings, *, known: bool) -> tuple[Remark, ...]:
    """Return them all; ``known`` tells whether it is, who writes into the spool."""
    rows = [*_process(settings), *_places(settings, known=known)]
    rows += [*_server(settings), *_login(settings), *_mail(settings)]
    strange = "is no variable of MaildropHost (left out)"
    rows += [(True, name, strange) for name in settings.unknown]
    return tuple(
        Remark(where=settings.place(name), key=name, text=text)
        for holds, name, text in rows
        if holds
    )


def _process(settings: Settings) -> Iterator[Row]:
    says = settings.lines
    text = "is not needed: the daemon brings its own"
    yield "PYTHON" in says, "PYTHON", text
    text = "the log is in the journal; in a terminal: maildropd --log-format text"
    yield bool(settings.debug), "DEBUG", text
    text = "systemd knows the process (without it: maildropd --detach --pid-file)"
    yield "MAILDROP_PID_FILE" in says, "MAILDROP_PID_FILE", text
    text = "is always so: maildropd stays in the foreground without --detach"
    yield bool(settings.supervised_daemon), "SUPERVISED_DAEMON", text


def _places(settings: Settings, *, known: bool) -> Iterator[Row]:
    for name in ("MAILDROP_HOME", "MAILDROP_SPOOL", "MAILDROP_VAR"):
        text = "its $ stays as it is, as the daemon took it"
        yield "$" in str(getattr(settings, name.lower())), name, text
    spool = "MAILDROP_SPOOL" if settings.maildrop_spool else "MAILDROP_HOME"
    places = " ".join(
        dict.fromkeys((*settings.spools, os.path.dirname(settings.log_file)))
    )
    text = (
        "the packaged service may not write there yet: systemctl edit maildropd, "
        f"[Service], ReadWritePaths={places}"
    )
    yield True, spool, text
    text = "the packaged service has a /tmp of its own and no /home: move the spool"
    yield any(map(_is_hidden, settings.spools)), spool, text
    text = (
        "there is no such directory now, so nobody can tell who writes there: give him "
        "senders = * in [submitter maildrophost], or his mail goes out in his own name"
    )
    yield not known, spool, text


def _server(settings: Settings) -> Iterator[Row]:
    text = "any certificate is taken, as before (tls_verify = yes to look at it)"
    yield settings.maildrop_tls == 1, "MAILDROP_TLS", text
    text = (
        "the certificate is looked at now: where it is not of a known authority, "
        "mail waits (tls_ca_file, tls_fingerprint, or tls_verify = no)"
    )
    yield settings.maildrop_tls == 2, "MAILDROP_TLS", text
    yield not settings.smtp_port, "SMTP_PORT", "0 is taken for 25"


def _login(settings: Settings) -> Iterator[Row]:
    login, tls = settings.has_login, settings.maildrop_tls
    halves = bool(settings.maildrop_login), bool(settings.maildrop_password)
    text = "of it and MAILDROP_PASSWORD one is empty: no AUTH, as before"
    yield halves[0] != halves[1], "MAILDROP_LOGIN", text
    text = (
        "the password goes to the server in clear, as before (better: tls = required, "
        "without auth_in_clear)"
    )
    yield login and not tls, "MAILDROP_TLS", text
    text = (
        "the password never goes to a server without STARTTLS: mail waits then "
        "(auth_in_clear = yes to send it all the same)"
    )
    yield login and tls == 1, "MAILDROP_TLS", text


def _mail(settings: Settings) -> Iterator[Row]:
    text = "0 is taken for a second; mail is noticed at once"
    yield settings.maildrop_interval == 0, "MAILDROP_INTERVAL", text
    text = "a Message-ID is added where there is none, and never a second one"
    yield "ADD_MESSAGEID" in settings.lines, "ADD_MESSAGEID", text
    text = (
        "its first address gets all mail of the spools, and of [submitter "
        "maildrophost]; X-Original-To says for whom it was; take both redirect_to out "
        "to deliver"
    )
    yield bool(settings.debug_receiver), "DEBUG_RECEIVER", text


def _is_hidden(path: str) -> bool:
    return any(path.startswith(f"/{each}/") for each in _HIDDEN)
