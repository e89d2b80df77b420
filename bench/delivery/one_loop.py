# SPDX-License-Identifier: Apache-2.0
"""A stand-in for MaildropHost's own loop: what it does for each mail, no more.

The original needs Python 2.4.  This was written from its behaviour: one pass
over the directory, one connection with stock smtplib, a line in the log for
each mail, and its file removed; nothing is synced, nothing tried twice.
"""

import os
import smtplib
import sys
from email.utils import getaddresses
from pathlib import Path


def main() -> int:
    """Deliver what is in a directory to a server: folder, host, port, log."""
    folder, host, port, log = sys.argv[1:]
    names = os.listdir(folder)
    locked = {name for name in names if name.endswith(".lck")}
    mails = [n for n in names if n not in locked and f"{n}.lck" not in locked]
    with open(log, "a") as lines, smtplib.SMTP(host, int(port)) as client:
        for name in mails:
            path = Path(folder, name)
            whom = _deliver(client, path.read_bytes())
            lines.write(f"\nOK\t {whom}")
            lines.flush()
            path.unlink()
    return 0


def _deliver(client: smtplib.SMTP, text: bytes) -> str:
    fields = {}
    while text.startswith(b"##"):
        line, _, text = text.partition(b"\n")
        key, _, value = line[2:].decode().partition(":")
        fields[key] = value
    recipients = [address for _, address in getaddresses([fields["To"]])]
    client.sendmail(fields["From"], recipients, text)
    return fields["To"]


if __name__ == "__main__":
    sys.exit(main())
