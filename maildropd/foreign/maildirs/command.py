# SPDX-License-Identifier: Apache-2.0
"""The mailer of repoze.sendmail that runs sendmail; never by a shell."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from maildropd.foreign.maildirs.messages import Content, flat

_PATIENCE = 300  # seconds; sendmail waits for a full disk, but not for ever


class SendmailCommandReturnedNonZero(subprocess.CalledProcessError):
    """It did not take the mail; 75 asks to try again."""


@dataclass
class SendmailMailer:
    """Hands each mail to a command; in a template it, sender and recipients stand."""

    sendmail_app: str = "/usr/sbin/sendmail"
    sendmail_template: Sequence[str] | None = None

    def send(
        self,
        fromaddr: str | None = None,
        toaddrs: Sequence[str] | None = None,
        message: Content = None,
    ) -> None:
        """Send one mail; with no recipients, to those in its header."""
        words = self._words(fromaddr or "<>", list(toaddrs or ()))
        found = subprocess.run(  # noqa: S603 - a list of words, and no shell
            words, input=flat(message), timeout=_PATIENCE, check=False
        )
        if found.returncode:
            raise SendmailCommandReturnedNonZero(found.returncode, words)

    def _words(self, sender: str, recipients: list[str]) -> list[str]:
        """With recipients there is no ``-t``: who is in the header is not meant."""
        if self.sendmail_template is None:
            to = ["--", *recipients] if recipients else ["-t"]
            return [self.sendmail_app, "-i", "-f", sender, *to]
        if any(each.startswith("-") for each in recipients):
            raise ValueError("an address that begins with - would be an option")
        return [
            word.format(
                sendmail_app=self.sendmail_app, sender=sender, recipients=recipients
            )
            for word in self.sendmail_template
        ] + recipients
