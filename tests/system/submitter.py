# SPDX-License-Identifier: Apache-2.0
"""A program that submits mail without pause, and writes down what it was told.

Standard library only, because the machine runs this file; it never tries
anything twice.  WAY is ``sendmail``, the path of a socket, or an address.
"""

import os
import smtplib
import socket
import subprocess
import sys
from itertools import count
from typing import Any

from tests.system.mails import Mail

_SENDMAIL = "/usr/sbin/sendmail"


class Local(smtplib.SMTP):
    """Speaks over a UNIX socket."""

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(host)
        return connection


def by_sendmail(mail: Mail) -> str:
    """Return what was said against it; empty if it was taken."""
    done = subprocess.run(
        [_SENDMAIL, "-i", "-f", mail.sender, "--", *mail.recipients],
        input=mail.content,
        capture_output=True,
        check=False,
    )
    said = f"{done.stdout!r} {done.stderr!r}"
    return f"status {done.returncode} {said}" if done.returncode else ""


def by_smtp(mail: Mail, host: str) -> str:
    """Return what was said against it; empty if it was taken."""
    client = Local if host.startswith("/") else smtplib.SMTP
    octets = mail.content.replace(b"\n", b"\r\n")
    try:
        with client(host, local_hostname="office.test", timeout=60) as server:
            server.sendmail(mail.sender, mail.recipients, octets, ["BODY=8BITMIME"])
    except (OSError, smtplib.SMTPException) as error:
        return repr(error)
    return ""


def main(way: str, first: str, step: str, folder: str) -> None:
    """Submit mails FIRST, FIRST + STEP, ... until there is a file ``stop``."""
    with open(f"{folder}/{first}", "w", encoding="utf-8", buffering=1) as ledger:
        for number in count(int(first), int(step)):
            if os.path.exists(f"{folder}/stop"):
                return
            mail = Mail(number=number)
            wrong = by_sendmail(mail) if way == "sendmail" else by_smtp(mail, way)
            ledger.write(f"{number} {wrong}".strip() + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
