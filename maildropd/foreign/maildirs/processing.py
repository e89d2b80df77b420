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
            finally:
                mark.unlink(missing_ok=True)

    def _is_done(self, mail: Queued) -> bool:
        """Send a mail; tell whether it is not to be tried again."""
        if mail.state == "unreadable":
            return self._reject(mail, mail.why)
        sender = mail.reverse_path or ""
        try:
            refused = self._mailer.send(sender, mail.recipients, mail.content) or {}
        except smtplib.SMTPResponseException as error:
            if 500 <= error.smtp_code <= 599:
                return self._reject(mail, str(error))
            return self._put_off(mail, error)
        except smtplib.SMTPRecipientsRefused as error:
            refused = error.recipients
        except (OSError, RuntimeError, SubprocessError, ValueError) as error:
            return self._put_off(mail, error)
        self._log.info("Mail from %s to %s sent.", sender, ", ".join(mail.recipients))
        return self._keep(mail, refused)

    def _keep(self, mail: Queued, refused: Mapping[str, tuple[int, bytes]]) -> bool:
        """Queue anew for those who may be served later; set aside for the others."""
        later = [who for who, (code, _) in refused.items() if code < 500]
        never = [who for who in refused if who not in later]
        if later == list(mail.recipients):
            return self._put_off(mail, smtplib.SMTPRecipientsRefused(dict(refused)))
        sender = mail.reverse_path or ""
        if never:
            self._log.error("Email recipients refused for %s: %s", mail.path, never)
            letter = self._maildir.write(forms.zope(sender, never, mail.content))
            letter.commit(_REJECTED)
        if later:
            self._maildir.write(forms.zope(sender, later, mail.content)).commit()
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
