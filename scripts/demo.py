# SPDX-License-Identifier: Apache-2.0
"""The story that scripts/demo tells: five mails, a smarthost, and what became of each.

The daemon is the real one; the smarthost is aiosmtpd, which has been told to
put one recipient off and to refuse another.
"""

import argparse
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

HOME = Path(__file__).resolve().parent.parent
PATIENCE = 30.0  # seconds for each step

CONFIG = """\
# Written by scripts/demo: everything lies in this folder.
[queue]
first_retry = 2s

[spool drop]
settle_time = 1s

[relay smarthost]
host = 127.0.0.1
port = {port}
tls = none
"""

MAILDROPHOST = """\
##To:{to}
##From:app@example.org
From: app@example.org
To: {to}
Subject: {subject}

Left in the drop in MaildropHost's form.
"""

PLAIN = """\
From: cron@example.org
To: {to}
Bcc: audit@example.net
Subject: {subject}

A plain message; its envelope comes from its header.
"""

MALFORMED = """\
##From:app@example.org
Subject: nobody to send this to

There is no ##To line.
"""


class Smarthost:
    """Takes mail, but puts later@ off once and refuses nobody@."""

    def __init__(self) -> None:
        self.taken: Counter[str] = Counter()
        self.put_off = 0
        self.report = ""  # what the sender hears of the refused one

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, *args: Any
    ) -> str:
        """Answer by recipient."""
        del server, session
        address: str = args[0]
        if address.startswith("later@") and not self.put_off:
            self.put_off += 1
            return "451 4.2.0 mailbox busy, try again"
        if address.startswith("nobody@"):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take the message."""
        del server, session
        self.taken.update(envelope.rcpt_tos)
        sender: Any = envelope.mail_from
        if sender in ("", "<>"):
            content: Any = envelope.content
            self.report = content.decode(errors="replace")
        return "250 2.0.0 taken"


class Daemon:
    """The daemon as a child, and what it logs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines: list[str] = []
        self._came = threading.Condition()
        self._child = subprocess.Popen(
            [*python("maildropd"), "--config", folder, "--log-format", "text"],
            cwd=HOME,
            stderr=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def wait_for(self, pattern: str) -> None:
        """Wait until a line of the log matches; give up with an error."""
        found = re.compile(pattern)
        with self._came:
            if not self._came.wait_for(
                lambda: (
                    any(map(found.search, self._lines))
                    or self._child.poll() is not None
                ),
                PATIENCE,
            ):
                raise SystemExit(f"demo: no line like {pattern!r} within {PATIENCE} s")
            if not any(map(found.search, self._lines)):
                raise SystemExit("demo: the daemon has ended")

    def control(self, *words: str) -> None:
        """Run maildropctl, and show what it says."""
        command = [*python("maildropctl"), "--config", str(self._folder), *words]
        print(f"\n$ maildropctl {' '.join(words)}", flush=True)
        subprocess.run(command, cwd=HOME, check=True, timeout=PATIENCE)

    def stop(self) -> int:
        """End it as systemd would."""
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(PATIENCE)

    def _read(self) -> None:
        assert self._child.stderr is not None
        for line in self._child.stderr:
            print(f"  | {line}", end="", flush=True)
            with self._came:
                self._lines.append(line)
                self._came.notify_all()
        with self._came:
            self._came.notify_all()


def python(command: str) -> list[str]:
    """Return how to run one of our commands from the checkout."""
    module = f"maildropd.cli.{command}"
    return [
        sys.executable,
        "-B",
        "-c",
        f"import sys; from {module} import main; sys.exit(main())",
    ]


def drop(folder: Path, name: str, text: str) -> None:
    """Leave a file as a careful program does: written aside, renamed in."""
    aside = folder / "drop" / f".{name}"
    aside.write_text(text)
    aside.rename(folder / "drop" / name)


def free_port() -> int:
    """Return a port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def tell(text: str) -> None:
    """Say what happens next."""
    print(f"\n== {text}", flush=True)


def story(folder: Path, smarthost: Smarthost, port: int) -> tuple[Daemon, Controller]:
    """Go through the life of five mails."""
    tell("the daemon starts; its smarthost is not there yet")
    daemon = Daemon(folder)
    daemon.wait_for("ready, 0 recipients")
    daemon.wait_for("watching")

    tell("programs leave five mails in the drop")
    for name, to in (("100001", "alice"), ("100002", "later"), ("100003", "nobody")):
        text = MAILDROPHOST.format(to=f"{to}@example.net", subject=f"for {to}")
        drop(folder, name, text)
    drop(folder, "report.eml", PLAIN.format(to="bob@example.net", subject="report"))
    drop(folder, "broken", MALFORMED)
    daemon.wait_for("quarantined as")
    daemon.wait_for("unreachable")
    for sender in ("app", "cron"):
        daemon.wait_for(f"from=<{sender}@.*accepted")
    daemon.control("queue")

    tell("the smarthost comes up; nobody has to tell the daemon")
    controller = Controller(smarthost, hostname="127.0.0.1", port=port)
    controller.start()  # type: ignore[no-untyped-call]  # it has no types
    for who, what in (
        ("alice", "delivered"),
        ("bob", "delivered"),
        ("audit", "delivered"),
        ("nobody", "failed"),
        ("app", "delivered"),
        ("later", "deferred"),
        ("later", "delivered"),
    ):
        daemon.wait_for(f"to=<{who}@example.(net|org)>.*status={what}")
    daemon.control("queue")
    daemon.control("status")

    tell("what the sender of the refused one was told")
    parts = smarthost.report.replace("\r\n", "\n").split("\n\n", 2)
    for line in parts[-1].split("\n\n--")[0].splitlines():
        print(f"  | {line}")
    return daemon, controller


def verdict(folder: Path, smarthost: Smarthost) -> int:
    """Compare what came with what was dropped."""
    expected = Counter(
        f"{name}@example.net" for name in ("alice", "bob", "audit", "later")
    ) + Counter(["app@example.org"])
    reasons = list((folder / "quarantine").glob("*.reason"))
    checks = {
        "four got their mail, one sender his report, once each": (
            smarthost.taken == expected
        ),
        "the report has the server's words": "no such mailbox" in smarthost.report,
        "one was put off by a 451 and delivered later": smarthost.put_off == 1,
        "the malformed mail is in quarantine with its reason": len(reasons) == 1,
        "the drop is empty": not os.listdir(folder / "drop"),
    }
    tell("verdict")
    for what, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'} {what}")
    for reason in reasons:
        print(f"     {reason.name}: {reason.read_text().splitlines()[1].strip()}")
    good = all(checks.values())
    print(f"demo: {'everything went as it should' if good else 'FAILED'}")
    return 0 if good else 1


def main() -> int:
    """Tell the story; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="stay in the foreground until Ctrl-C"
    )
    keep = parser.parse_args().keep
    folder = Path(tempfile.mkdtemp(prefix="maildropd-demo-"))
    port = free_port()
    (folder / "maildropd.conf").write_text(CONFIG.format(port=port))
    (folder / "drop").mkdir(mode=0o700)
    smarthost = Smarthost()
    try:
        daemon, controller = story(folder, smarthost, port)
        if keep:
            stay(folder)
        tell("the daemon is told to stop")
        ended = daemon.stop()
        controller.stop()
        return verdict(folder, smarthost) or ended
    finally:
        shutil.rmtree(folder)


def stay(folder: Path) -> None:
    """Wait for Ctrl-C, after saying what can be tried meanwhile."""
    tell(f"still running; drop mail into {folder}/drop, end with Ctrl-C")
    waiting = threading.Event()
    try:
        while not waiting.wait(3600):
            pass
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    raise SystemExit(main())
