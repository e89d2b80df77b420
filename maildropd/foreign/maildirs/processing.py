# SPDX-License-Identifier: Apache-2.0
"""Sending what lies in a Maildir, beside whoever else does: their queue processor.

Unlike theirs: what fails for now is tried again after seconds, then minutes;
a recipient who was refused beside others is kept; and a mail that somebody else
takes meanwhile ends nothing.
"""

import logging
import os
import smtplib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import SubprocessError
from typing import Protocol

from maildropd.foreign.maildirs import forms
from maildropd.foreign.maildirs.reading import queued
from maildropd.foreign.maildirs.writing import Maildir
from maildropd.foreign.queued import Queued

_FIRST, _SLOWEST = 10.0, 3600.0  # seconds
_REJECTED = ".rejected-"


Refused = dict[str, tuple[int, bytes]]
"""Recipients that a server would not take, with what it said."""


class Mailer(Protocol):
    """What sends one mail; it may return who was refused."""

    def send(
        self, fromaddr: str, toaddrs: Sequence[str], message: bytes, /
    ) -> Mapping[str, tuple[int, bytes]] | None:
        """Send it; raise what ``smtplib`` does, or ``subprocess``."""
        ...


class Processor:
    """Works through one Maildir again and again; used by one thread."""

    def __init__(
        self, mailer: Mailer, path: Path, log: logging.Logger, *, quiet: bool = False
    ) -> None:
        """Know the way; ``quiet`` says nothing of what will be tried again."""
        self._mailer = mailer
        self._maildir = Maildir(path)
        self._log = log
        self._quiet = quiet
        self._waits: dict[str, tuple[float, float]] = {}  # until when, and how long
        self._refused: dict[str, Refused] = {}  # by what was sent: who lacks it

    def work(self, goes_on: Callable[[], bool]) -> None:
        """Send what can be sent now."""
        now = time.monotonic()
        for mail in queued(self._maildir.path):
            if not goes_on():
                return
            until, _ = self._waits.get(mail.path.name, (now, 0))
            is_theirs = mail.path.name.startswith(".") or mail.path.parent.name == "tmp"
            if mail.state != "held" and not is_theirs and until <= now:
                self._take(mail)

    def _take(self, mail: Queued) -> None:
        """Make the mark that keeps others off, as a link to the mail."""
        mark = mail.path.with_name(f".sending-{mail.path.name}")
        with suppress(FileNotFoundError, FileExistsError):  # somebody was faster
            for other in mail.also:
                os.unlink(other)
            os.utime(mail.path)
            os.link(mail.path, mark)
            try:
                if self._is_done(mail):
                    mail.path.unlink(missing_ok=True)
                    self._waits.pop(mail.path.name, None)
                    self._refused.pop(mail.path.name, None)
            finally:
                mark.unlink(missing_ok=True)

    def _is_done(self, mail: Queued) -> bool:
        """Send a mail; tell whether it is not to be tried again."""
        if mail.state == "unreadable":
            return self._reject(mail, mail.why)
        try:
            return self._keep(mail, self._sent(mail))
        except smtplib.SMTPResponseException as error:
            if 500 <= error.smtp_code <= 599:
                return self._reject(mail, str(error))
            return self._put_off(mail, error)
        except (OSError, RuntimeError, SubprocessError, ValueError) as error:
            return self._put_off(mail, error)

    def _sent(self, mail: Queued) -> Refused:
        """Send a mail, but never again one that anybody got; return who did not."""
        if mail.path.name in self._refused:
            return self._refused[mail.path.name]
        sender = mail.reverse_path or ""
        try:
            refused = self._mailer.send(sender, mail.recipients, mail.content) or {}
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        if _for_now(refused) == list(mail.recipients):
            raise smtplib.SMTPRecipientsRefused(dict(refused))
        self._log.info("Mail from %s to %s sent.", sender, ", ".join(mail.recipients))
        self._refused[mail.path.name] = refused = dict(refused)
        return refused

    def _keep(self, mail: Queued, refused: Refused) -> bool:
        """Queue anew for those who may be served later; set aside for the others.

        Who is kept is forgotten at once: the next step may find the disk full.
        """
        later = _for_now(refused)
        never = [who for who in refused if who not in later]
        if never:
            self._log.error("Email recipients refused for %s: %s", mail.path, never)
        for prefix, recipients in ((_REJECTED, never), ("", later)):
            if recipients:
                content = forms.zope(mail.reverse_path or "", recipients, mail.content)
                self._maildir.write(content).commit(prefix)
                for who in recipients:
                    del refused[who]
        return True

    def _reject(self, mail: Queued, why: str) -> bool:
        self._log.error(
            "Discarding email from %s to %s (%s) due to a permanent error: %s",
            mail.reverse_path,
            ", ".join(mail.recipients),
            mail.path,
            why,
        )
        os.link(mail.path, mail.path.with_name(_REJECTED + mail.path.name))
        return True

    def _put_off(self, mail: Queued, error: Exception) -> bool:
        _, wait = self._waits.get(mail.path.name, (0.0, _FIRST / 2))
        wait = min(wait * 2, _SLOWEST)
        self._waits[mail.path.name] = time.monotonic() + wait, wait
        if not self._quiet:
            self._log.warning("%s waits for %d s: %s", mail.path, wait, error)
        return False


def _for_now(refused: Mapping[str, tuple[int, bytes]]) -> list[str]:
    return [who for who, (code, _) in refused.items() if code < 500]
