# SPDX-License-Identifier: Apache-2.0
"""The daemon on disks that lose their power; its word reaches us by a pipe.

What it tells is a promise from then on: an event follows its commit.  The pipe
and the sink are outside of the disks, so nothing that was told is lost.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maildropd.mail import events as mail
from maildropd.mail import service_events as service
from tests.integration.daemon import HOME, command
from tests.power.disk import Disk, sync
from tests.power.ledger import Ledger, Said
from tests.power.letters import Wish, parsed

DEADLINE = 30.0
_CONFIG = """\
[daemon]
state_directory = {state}
runtime_directory = {folder}/run
[queue]
first_retry = 40ms
slowest_retry = 60ms
[relay smarthost]
host = 127.0.0.1
port = {port}
tls = none
max_connections = {connections}
[spool drop]
path = {drop}
quarantine = {quarantine}
settle_time = 0
"""
# None of these has a reason before the cut; no id: it is no event, but a traceback.
_TROUBLES = frozenset(
    (
        service.InternalError.event_id,
        service.StoreTrouble.event_id,
        service.SpoolUnreachable.event_id,
        service.JournalLagged.event_id,
        mail.ContentLost.event_id,
        mail.FileLeftAlone.event_id,
        mail.LeaseLost.event_id,
        mail.RecipientInDoubt.event_id,
        "",
    )
)


class Machine:
    """Disks, a daemon on them, and the switch."""

    def __init__(
        self, folder: Path, kinds: Sequence[str], ledger: Ledger, product: Path = HOME
    ) -> None:
        """Make the disks: one for all, or one for the store and one for the drop."""
        self.disks = [
            Disk(folder, f"disk{n}", kind) for n, kind in enumerate(kinds[:2])
        ]
        first, last = self.disks[0].place, self.disks[-1].place
        self.state = first / "state"
        self.drop = last / "drop"
        # With two disks a bad file is copied to the other one, not renamed.
        self.quarantine = first / "quarantine"
        self.drop.mkdir()
        sync(last)
        self.connections = 2 + 2 * (len(kinds) % 2)
        self.operators: list[tuple[str, int, Wish]] = []
        self._folder, self._product = folder, product
        self._ledger = ledger
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._ready = False
        self._last: deque[str] = deque(maxlen=20)

    def configure(self, port: int) -> None:
        """Write the configuration, once."""
        text = _CONFIG.format(
            state=self.state,
            folder=self._folder,
            port=port,
            connections=self.connections,
            drop=self.drop,
            quarantine=self.quarantine,
        )
        (self._folder / "maildropd.conf").write_text(text)

    def boot(self, sync: int) -> None:
        """Start the daemon; do not wait for it.

        With ``sync``, each of its syncs takes so many milliseconds more, and
        whatever it does too early has been done for longer.
        """
        self._ready = False
        words = [*command("maildropd"), "--config", str(self._folder)]
        process = subprocess.Popen(
            [*(_slowly(sync) if sync else ()), *words, "--log-format", "json"],
            cwd=self._product,
            stderr=subprocess.PIPE,
            pipesize=1 << 20,
        )
        self._process = process
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()

    def wait_ready(self) -> None:
        """Wait until mail flows."""
        with self._ledger.changed:
            self._ledger.changed.wait_for(
                lambda: self._ready or self._ledger.complaints, DEADLINE
            )
        assert self._ready, f"the daemon does not start{self.last_words()}"

    def last_words(self) -> str:
        """Return the last the daemon told, a line each."""
        return "".join(f"\n    {line}" for line in self._last)

    def cut(self) -> None:
        """Take the power from everything at once."""
        assert self._process is not None
        at = time.time()
        # First the daemon: with two disks, nobody may act on the end of one.
        # What is on its way to a disk still goes on, and is cut short.
        self._process.send_signal(signal.SIGSTOP)
        for disk in self.disks if self._ledger.cuts % 4 < 2 else reversed(self.disks):
            disk.cut()
        self._end(signal.SIGKILL)
        self._ledger.cut(at)

    def restore(self) -> None:
        """Give power again: every disk is as the cut left it."""
        for disk in self.disks:
            disk.replace()
        # Each time in another order: the kernel numbers disks as they come.
        for disk in self.disks if self._ledger.cuts % 2 else reversed(self.disks):
            disk.mount()

    def stop(self) -> None:
        """Let the daemon end in peace."""
        code = self._end(signal.SIGTERM)
        if code:
            self._ledger.wrong(f"the daemon ended with {code}")

    def close(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        with ExitStack() as steps:
            for disk in self.disks:
                steps.callback(disk.unmount)
            if self._process is not None:
                self._process.kill()
                self._process.wait(DEADLINE)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Ask the daemon as maildropctl does; raise ``OSError`` when it has gone."""
        with socket.socket(socket.AF_UNIX) as link, ExitStack() as stack:
            link.settimeout(DEADLINE)
            link.connect(f"{self._folder}/run/control")
            link.sendall(json.dumps(request).encode() + b"\n")
            line = stack.enter_context(link.makefile("rb")).readline()
        if not line:
            raise ConnectionResetError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def queue(self) -> list[dict[str, Any]]:
        """Return all that is in the queue."""
        found: list[dict[str, Any]] = []
        while page := self.ask(command="list", after=found[-1]["id"] if found else ""):
            if not page["messages"]:
                break
            found += page["messages"]
        return found

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(number)
        code = self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        with suppress(ChildProcessError):  # strace, which let go of the daemon
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        return code

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                self._heard(_event(line))

    def _heard(self, event: Mapping[str, str]) -> None:
        ledger = self._ledger
        self._last.append(event["MESSAGE"])
        self._write_down(event)
        match event["MESSAGE_ID"]:
            case service.ServiceReady.event_id:
                with ledger.changed:
                    self._ready = True
                    ledger.changed.notify_all()
            case mail.MessageAccepted.event_id:
                self._accepted(event)
            case mail.RecipientDelivered.event_id:
                self._settled(event, "delivered")
            case mail.RecipientFailed.event_id:
                self._settled(event, "failed")
            case mail.RecipientDeferred.event_id:
                self._deferred(event)
            case mail.MessageQuarantined.event_id:
                self._quarantined(event)
            case name if name in _TROUBLES:
                what = event["MESSAGE"] + event.get("MAILDROP_TRACEBACK", "")
                ledger.complained(what, self._at(event))
            case _:
                pass  # nothing that was promised

    def _write_down(self, event: Mapping[str, str]) -> None:
        about = event.get("MAILDROP_RECIPIENT") or event.get("MAILDROP_MESSAGE_ID")
        if not about:
            return
        found = re.findall(r"\d+(?=[.@])", about)
        with self._ledger.lock:
            if entry := self._ledger.entries.get(int(found[0]) if found else -1):
                entry.story.append(f"{self._ledger.life}: {event['MESSAGE']}")

    def _at(self, event: Mapping[str, str]) -> Said:
        # Milliseconds, cut short: of the same one as the cut is too late.
        at = datetime.fromisoformat(event["TIME"]).timestamp() + 0.001
        return self._ledger.said(at)

    def _accepted(self, event: Mapping[str, str]) -> None:
        if event["MAILDROP_SUBMITTER"] == "bounce":
            return
        key = int(event["MAILDROP_MESSAGE_ID"].strip("<>").partition("@")[0])
        with self._ledger.lock:
            if entry := self._ledger.entries.get(key):
                entry.accepted = self._at(event)
            else:
                self._ledger.complained(f"{key}: accepted again", self._at(event))

    def _settled(self, event: Mapping[str, str], name: str) -> None:
        self._ledger.settled(event["MAILDROP_RECIPIENT"], name, self._at(event))

    def _deferred(self, event: Mapping[str, str]) -> None:
        _, key, _ = parsed(event["MAILDROP_RECIPIENT"])
        with self._ledger.changed:
            entry = self._ledger.entries.get(key)
            if entry and entry.letter.wish and not entry.asked:
                wish = (event["MAILDROP_QUEUE_ID"], key, entry.letter.wish)
                self.operators.append(wish)
                self._ledger.changed.notify_all()

    def _quarantined(self, event: Mapping[str, str]) -> None:
        with self._ledger.lock:
            for one in self._ledger.bad.values():
                if one.name == event["MAILDROP_FILE"]:
                    one.place = event["MAILDROP_QUARANTINE"]
                    one.quarantined = self._at(event)
                    return
        self._ledger.complained(event["MESSAGE"], self._at(event))


def _slowly(milliseconds: int) -> list[str]:
    """Return how to run a program on a slow disk, where that can be had."""
    if not shutil.which("strace"):
        return []
    slow = f"fsync,fdatasync:delay_enter={milliseconds * 1000}"
    trace = ["-e", "trace=fsync,fdatasync", "-e", f"inject={slow}"]
    return ["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", *trace]


def _event(line: bytes) -> dict[str, str]:
    try:
        event: dict[str, str] = json.loads(line)
    except ValueError:
        now = datetime.now(UTC).isoformat()
        text = line.decode(errors="replace").rstrip()
        return {"MESSAGE": text, "MESSAGE_ID": "", "TIME": now}
    return event
