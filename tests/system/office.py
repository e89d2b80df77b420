# SPDX-License-Identifier: Apache-2.0
"""A machine with the programs that people send mail with, and our two packages.

What is asked of it runs in units, as on a real host: that is where a mail is
said to come from.
"""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from maildropd.mail.events import MessageAccepted
from tests.system.host import UNIT, Host
from tests.system.machine import Entry, Machine, until
from tests.system.postfix import Delivered
from tests.system.root import USERS

PACKAGES = (
    "anacron",
    "at",
    "bsd-mailx",
    "cron",
    "fail2ban",
    "git-email",
    "libmailtools-perl",  # git-email recommends it, and does nothing without
    "libnss-systemd",  # as on most hosts: it knows the names of dynamic users
    "logwatch",
    "mailutils",
    "msmtp-mta",  # an MTA, as bsd-mailx and logwatch want one; ours takes its place
    "mutt",
    "perl",
    "php-cli",
    "python3-django",
    "s-nail",
    "smartmontools",
    "sudo",
    "swaks",
    "unattended-upgrades",
)
SUBMISSION = "/run/maildrop/submission"
BOX = "ops@example.test"  # where all local mail goes
GATEWAY = "maildropd-smtp.service"
SOCKETS = ("maildropd.socket", "maildropd-sendmail.socket", "maildropd-smtp.socket")
_OWN = "/etc/maildrop/maildropd.conf.d/50-office.conf"
_STRICT = f"[names]\nlocal_to = {BOX}\n[submission]\ncheck_senders = yes\n"
_IDLE = ("anacron", "fail2ban", "smartmontools", "unattended-upgrades")
_PEOPLE = "".join(f"usermod -c '{user.title()} Adams' {user}\n" for user in USERS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The machine, and those who send mail from it."""

    host: Host

    @property
    def machine(self) -> Machine:
        return self.host.machine

    def calm(self) -> None:
        """Let nothing start at boot that does a day's work, or lacks a log."""
        disable = ("chroot", self.machine.tree, "systemctl", "disable", "--quiet")
        subprocess.run([*disable, *_IDLE], check=True, capture_output=True)

    def furnish(self, smarthost: str) -> None:
        """Give the machine a name, and its people theirs."""
        self.host.furnish(smarthost)
        self.machine.run("sh", "-ec", _PEOPLE)

    def open(self, more: str = "", **relay: str) -> None:
        """Configure for the smarthost and start, with every door open."""
        self.host.configure(**relay)
        self.machine.push(_OWN, f"{_STRICT}{more}")
        self.machine.run("systemctl", "stop", *SOCKETS, GATEWAY, UNIT)
        self.machine.run("systemctl", "reset-failed")
        self.machine.run("systemctl", "start", *SOCKETS, UNIT)

    def call(
        self, name: str, script: str, user: str, properties: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Have a shell do something in a unit of its own, ``call-NAME.service``."""
        return self.machine.attempt(
            *("systemd-run", "--quiet", "--wait", "--collect", "--pipe"),
            *(f"--property={each}" for each in properties),
            *(f"--uid={user}",) * bool(user),
            *(f"--unit=call-{name}", "/bin/sh", "-ec", script),
        )

    def accepted(self, mail: Delivered) -> list[Entry]:
        """Return what the journal says of the arrival of a mail, once it does."""
        known, match = (
            mail.field("Message-ID"),
            f"MESSAGE_ID={MessageAccepted.event_id}",
        )

        def look() -> list[Entry]:
            found = self.machine.journal(UNIT, match)
            return [each for each in found if each.get("MAILDROP_MESSAGE_ID") == known]

        return until(look, every=0.2)

    def uid(self, user: str) -> str:
        return self.machine.run("id", "-u", user).strip()
