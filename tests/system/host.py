# SPDX-License-Identifier: Apache-2.0
"""The machine that maildropd is installed on, and what its people do there."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maildropd.mail.events import MessageAccepted
from tests.system.machine import Entry, Machine, until
from tests.system.root import USERS

UNIT = "maildropd.service"
DROP = "/var/spool/maildrop/drop"
_MAILS = "/srv/mails.py"
# Users drop mail in all kinds of names here; who may do so has tests of its own.
_QUEUE = (
    "[queue]\nfirst_retry = 1s\nslowest_retry = 4s\n[submission]\ncheck_senders = no\n"
)
_RELAY: Mapping[str, str] = {
    "host": "smarthost.test",
    "port": "25",
    "tls": "required",
    "tls_ca_file": "/etc/maildrop/authority.pem",
}
_RESET = """
systemctl disable --quiet maildropd maildropd-smtp.socket
systemctl stop 'maildropd*.path' 'maildropd*.socket' maildropd 'maildropd@*'
systemctl stop maildropd-smtp
rm -rf /etc/systemd/system/maildropd*.d /var/lib/maildropd* /var/spool/maildrop-*
rm -rf /etc/maildrop/credentials/* /etc/maildrop/[ab].conf
find /var/spool/maildrop -mindepth 2 -delete
systemctl daemon-reload
systemctl reset-failed
journalctl --quiet --rotate --vacuum-size=1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """maildropd's machine."""

    machine: Machine

    def furnish(self, smarthost: str) -> None:
        """Give the machine a name, and what it drops mail with."""
        name = self.machine.name
        self.machine.push(
            "/etc/hosts",
            f"127.0.0.1 localhost\n127.0.1.1 {name}.test {name}\n"
            f"{smarthost} smarthost.test\n",
        )
        source = Path(__file__).with_name("mails.py").read_text("utf-8")
        self.machine.push(_MAILS, source)

    def trust(self, authority: str) -> None:
        """Put the authority's certificate where the configuration says."""
        self.machine.push("/etc/maildrop/authority.pem", authority)

    def reset(self) -> None:
        """Go back to the day of the installation: no mail, no log, no changes."""
        self.machine.run("sh", "-ec", _RESET)

    def configure(
        self, more: str = "", *, name: str = "maildropd", **relay: str
    ) -> None:
        """Write a configuration: keys of the relay, and more sections."""
        keys = {**_RELAY, **relay}
        lines = [f"{key} = {value}\n" for key, value in keys.items() if value]
        text = f"{_QUEUE}\n[relay smarthost]\n{''.join(lines)}\n{more}"
        self.machine.push(f"/etc/maildrop/{name}.conf", text)

    def drop_in(self, name: str, text: str, unit: str = UNIT) -> None:
        """Add to a unit, as by ``systemctl edit``."""
        self.machine.push(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def start(self) -> None:
        """Start as the README says."""
        self.machine.run("systemctl", "enable", "--quiet", "--now", UNIT)

    def ctl(self, *words: str) -> str:
        """Run maildropctl as root."""
        return self.machine.run("maildropctl", *words)

    def queue(self) -> list[dict[str, Any]]:
        """Return the queue, one object for each message."""
        return [json.loads(line) for line in self.ctl("queue", "--json").splitlines()]

    def drop(self, numbers: range, folder: str = DROP) -> None:
        """Drop mails as three users at once; return when all have written."""
        with self.dropping(numbers, folder):
            pass

    @contextmanager
    def dropping(self, numbers: range, folder: str = DROP) -> Iterator[None]:
        """Drop mails as three users beside what happens in the block."""
        with ExitStack() as stack:
            for place, user in enumerate(USERS):
                part = numbers[place :: len(USERS)]
                words = map(str, (part.start, part.stop, part.step))
                command = ("/usr/bin/python3", _MAILS, folder, *words)
                stack.enter_context(self.machine.background(*command, user=user))
            yield

    def dropped_files(self, folder: str = DROP) -> list[str]:
        """Return what lies in the drop."""
        return [path.name for path in self.machine.path(folder).iterdir()]

    def senders(self) -> set[str]:
        """Return who sent what the journal says was accepted."""
        match = f"MESSAGE_ID={MessageAccepted.event_id}"
        return {entry["MAILDROP_SENDER"] for entry in self.machine.journal(UNIT, match)}

    def main_pid(self) -> int:
        return int(self.machine.unit(UNIT, "MainPID"))

    def restarts(self) -> int:
        return int(self.machine.unit(UNIT, "NRestarts"))

    def until_active(self, unit: str = UNIT, within: float = 60) -> None:
        until(lambda: self.machine.is_active(unit), within=within)

    def until_said(
        self, event_id: str, *, count: int = 1, unit: str = UNIT, within: float = 60
    ) -> list[Entry]:
        """Return the journal's entries of a kind, once there are enough."""

        def look() -> list[Entry]:
            found = self.machine.journal(unit, f"MESSAGE_ID={event_id}")
            return found if len(found) >= count else []

        return until(look, within=within, every=0.2)
