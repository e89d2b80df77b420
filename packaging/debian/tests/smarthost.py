# SPDX-License-Identifier: Apache-2.0
"""What the package's tests share: a smarthost on loopback, and mail for it.

The standard library is all they may use: they run on the installed package.
"""

import atexit
import json
import socketserver
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

DROP = "/var/spool/maildrop/drop"
_CONFIG = """[queue]
first_retry = 1s
slowest_retry = 1s
[relay smarthost]
host = 127.0.0.1
port = {port}
tls = none
"""


class Smarthost(socketserver.ThreadingTCPServer):
    """Takes mail for everybody, or asks everybody to come again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.busy = False
        self.subjects: Counter[str] = Counter()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def become_ours(self) -> None:
        """Have the installed daemon send its mail here, until this test ends."""
        file = Path("/etc/maildrop/maildropd.conf.d/package-test.conf")
        file.write_text(_CONFIG.format(port=self.server_address[1]))
        atexit.register(file.unlink)
        run("systemctl", "reload", "maildropd")


class _Session(socketserver.StreamRequestHandler):
    server: Smarthost

    def handle(self) -> None:
        self._say("220 smarthost.test ESMTP")
        for line in self.rfile:
            match line[:4].upper():
                case b"RCPT" if self.server.busy:
                    self._say("451 4.3.2 come again")
                case b"DATA":
                    self._say("354 go on")
                    self._receive()
                    self._say("250 2.0.0 ok")
                case b"QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _receive(self) -> None:
        for line in self.rfile:
            if line == b".\r\n":
                return
            if line.startswith(b"Subject: "):
                self.server.subjects[line[9:].decode().strip()] += 1

    def _say(self, reply: str) -> None:
        self.wfile.write(f"{reply}\r\n".encode())


def drop(*subjects: str) -> None:
    """Drop one mail for each subject, as a user without any rights."""
    for subject in subjects:
        text = f"From: a@drop.test\nTo: b@example.test\nSubject: {subject}\n\nhello\n"
        command = ["sh", "-c", f"cat > {DROP}/{subject}"]
        subprocess.run(command, input=text, text=True, check=True, user="nobody")


def queue() -> list[dict[str, object]]:
    """Return what maildropctl says of the queue, an object for each message."""
    lines = run("maildropctl", "queue", "--json").splitlines()
    return [json.loads(line) for line in lines]


def journal(*matches: str) -> list[dict[str, str]]:
    """Return the service's entries, oldest first."""
    lines = run("journalctl", "-u", "maildropd", "-o", "json", *matches).splitlines()
    return [json.loads(line) for line in lines]


def unit(name: str, of: str = "maildropd.service") -> str:
    """Return one property of a unit."""
    return run("systemctl", "show", "-P", name, of).strip()


def run(*command: str) -> str:
    """Run a command; return what it printed, or end the test."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def until(what: str, look: Callable[[], object], within: float = 60) -> None:
    """Wait until something is true; end the test when it takes too long."""
    deadline = time.monotonic() + within
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {within:.0f} s: {what}")
        time.sleep(0.1)
    print("seen:", what)
