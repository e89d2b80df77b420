# SPDX-License-Identifier: Apache-2.0
"""A Debian with a real systemd in a container, to be asked and told things.

Its disk is a directory of its own, so that it can be rebooted.  It gets a
cgroup of its own: without one, two machines started from one shell would
share the same tree.  Only processes started here are ever ended.
"""

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from time import monotonic
from typing import TypeVar

_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "DEBIAN_FRONTEND=noninteractive",
    "HOME=/root",
)
# Join the cgroup named first in every hierarchy that systemd uses, then boot;
# the machine must not outlive the tests, however those end.
_BOOT = """
for tree in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
    [ -e "$tree/cgroup.procs" ] || continue
    mkdir -p "$tree/$0" && echo $$ > "$tree/$0/cgroup.procs" || exit 1
done
exec setpriv --pdeathsig KILL systemd-nspawn "$@"
"""
Entry = Mapping[str, str]
T = TypeVar("T")


def until(look: Callable[[], T], *, within: float = 60, every: float = 0.05) -> T:
    """Look again and again until something true is seen; return it.

    The one place where tests wait for another process.
    """
    deadline = monotonic() + within
    pause = Event()
    while not (seen := look()):
        if monotonic() > deadline:
            raise AssertionError(f"not within {within} s; the last look saw {seen!r}")
        pause.wait(every)
    return seen


class Failed(AssertionError):
    """A command in the machine ended with a status other than zero."""


class Machine:
    """One container; ``namespace`` names a network made by ``ip netns``."""

    def __init__(self, name: str, tree: Path, *, namespace: str = "") -> None:
        self.name = name
        self.tree = tree
        self._namespace = namespace
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def boot(self) -> None:
        """Start; return when systemd has started everything."""
        (self.tree / "etc/hostname").write_text(f"{self.name}.test\n")
        if self._namespace:
            network = f"--network-namespace-path=/run/netns/{self._namespace}"
        else:
            network = "--private-network"
        options = [
            f"--directory={self.tree}",
            f"--machine={self.name}",
            f"--hostname={self.name}",
            network,
            "--boot",
            "--quiet",
            "--keep-unit",
            "--register=no",
            "--settings=no",
            "--console=pipe",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
        ]
        console = (self.tree.parent / f"{self.name}.console").open("ab")
        with console:
            self._nspawn = subprocess.Popen(
                ["/bin/sh", "-c", _BOOT, self._cgroup, *options],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        self._leader = until(self._find_leader)
        until(self._is_up, within=120)

    def poweroff(self) -> None:
        """Shut down as an operator would; return when it is off."""
        if self._nspawn is None:
            return
        if self._nspawn.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._leader, signal.SIGRTMIN + 4)  # poweroff.target
        self._ended()

    def cut_power(self) -> None:
        """Stop at once; nothing in the machine gets a chance to say goodbye."""
        with suppress(ProcessLookupError):
            os.kill(self._leader, signal.SIGKILL)
        self._ended()

    def reboot(self) -> None:
        """Shut down in order, then start again with the same disk."""
        self.poweroff()
        self.boot()

    def run(
        self,
        *command: str | Path,
        user: str = "",
        stdin: str = "",
        timeout: float = 120,
    ) -> str:
        """Run a command, return what it printed; raise ``Failed`` if it failed."""
        done = self.attempt(*command, user=user, stdin=stdin, timeout=timeout)
        if done.returncode:
            said = f"{done.stdout}{done.stderr}"[-4000:]
            words = shlex.join(map(str, command))
            raise Failed(f"{self.name}: {words}: status {done.returncode}\n{said}")
        return done.stdout

    def attempt(
        self,
        *command: str | Path,
        user: str = "",
        stdin: str = "",
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command that may fail."""
        return subprocess.run(
            [*self._inside(user), *command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @contextmanager
    def background(self, *command: str, user: str = "") -> Iterator[None]:
        """Run a command beside the test, which must end well within the block."""
        process = subprocess.Popen([*self._inside(user), *command])
        try:
            yield
            status = process.wait(timeout=120)
            if status:
                raise Failed(f"{self.name}: {shlex.join(command)}: status {status}")
        finally:
            process.kill()
            process.wait()

    def path(self, inside: str) -> Path:
        """Return where the machine's disk has a file, seen from outside."""
        return self.tree / inside.lstrip("/")

    def push(self, inside: str, text: str, mode: int = 0o644) -> None:
        """Write a file of root's, and its folder if there is none."""
        target = self.path(inside)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def journal(self, unit: str, *matches: str) -> list[Entry]:
        """Return what the journal holds about a unit, oldest first."""
        lines = self.run("journalctl", "-u", unit, "-o", "json", "--all", *matches)
        return [json.loads(line) for line in lines.splitlines()]

    def unit(self, unit: str, name: str) -> str:
        """Return one property of a unit."""
        return self.run("systemctl", "show", "-P", name, unit).strip()

    def is_active(self, unit: str) -> bool:
        return self.unit(unit, "ActiveState") == "active"

    @property
    def _cgroup(self) -> str:
        return f"maildropd-{os.getpid()}-{self.name}"

    def _inside(self, user: str) -> list[str]:
        # -r -w: in a chroot, the root of the mounts is not the machine's.
        spaces = ("-m", "-r", "-w", "-u", "-i", "-n", "-p")
        inside = ["nsenter", "-t", str(self._leader), *spaces]
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]
        return [*inside, "env", "-i", *_ENVIRONMENT, *(who if user else ())]

    def _find_leader(self) -> int:
        """Return the pid of the machine's systemd, once it has become that."""
        assert self._nspawn is not None
        pid = self._nspawn.pid
        if (status := self._nspawn.poll()) is not None:
            raise Failed(f"{self.name}: systemd-nspawn ended with status {status}")
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for child in children:
            with suppress(FileNotFoundError):
                facts = Path(f"/proc/{child}/status").read_text()
                if "Name:\tsystemd\n" in facts and "\t1\n" in facts:
                    return int(child)
        return 0

    def _is_up(self) -> bool:
        state = self.attempt("systemctl", "is-system-running").stdout.strip()
        return state in ("running", "degraded")

    def _ended(self) -> None:
        assert self._nspawn is not None
        try:
            self._nspawn.wait(timeout=60)
        finally:
            self._nspawn.kill()
            self._nspawn.wait()
            self._nspawn = None
            for hierarchy in ("", "unified", "systemd"):
                group = Path("/sys/fs/cgroup", hierarchy, self._cgroup)
                for folder in (*sorted(group.rglob("*/"), reverse=True), group):
                    with suppress(OSError):  # not this hierarchy, or still busy
                        folder.rmdir()
