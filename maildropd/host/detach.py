# SPDX-License-Identifier: Apache-2.0
"""A daemon of the old kind, for machines without systemd.

Whoever starts it waits until it is ready, and sees its errors.  The PID file
is locked as long as the daemon lives, so a stale one harms nobody.  All that
must live on is opened by the daemon, after it has detached.
"""

import fcntl
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import daemon

Serve = Callable[[Callable[[], None]], int]
"""Run the daemon, call the argument when it is ready, return its exit code."""


class AlreadyRunning(Exception):
    """The PID file is locked; the text says by whom."""


class PidFile:
    """Locked from before the detaching; tells the daemon's own id after it."""

    def __init__(self, path: Path) -> None:
        """Lock the file; raise ``AlreadyRunning``, or ``OSError``."""
        self._path = path.absolute()
        self._descriptor = self._locked()

    def fileno(self) -> int:
        """Return the descriptor, which has to stay open."""
        return self._descriptor

    def __enter__(self) -> None:
        """Write our id; called when detached."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the file, while it is still locked."""
        with suppress(FileNotFoundError):
            os.unlink(self._path)
        os.close(self._descriptor)

    def _locked(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            descriptor = os.open(self._path, flags, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                owner = os.read(descriptor, 20).decode("ascii", "replace").strip()
                os.close(descriptor)
                raise AlreadyRunning(f"{self._path}: pid {owner} runs") from error
            if self._is_named(descriptor):
                return descriptor
            os.close(descriptor)  # its owner has just removed it

    def _is_named(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(descriptor))
        except FileNotFoundError:
            return False


def detached(serve: Serve, pid_file: Path | None) -> int:
    """Run a daemon in the background; return 0 when it is ready, else its code.

    Raise ``AlreadyRunning`` or ``OSError`` before anything is started.
    """
    lock = PidFile(pid_file) if pid_file else None
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    starter = os.fork()
    if starter == 0:
        os.close(reader)
        _live(serve, lock, writer)
    os.close(writer)
    if lock:
        os.close(lock.fileno())  # the daemon has it too, and keeps it
    os.waitpid(starter, 0)
    with open(reader, "rb") as pipe:
        code = pipe.read(1)
    return code[0] if code else 1


def _live(serve: Serve, lock: PidFile | None, writer: int) -> None:
    """Be the daemon; never return."""
    context = daemon.DaemonContext(
        detach_process=True,
        umask=0o077,
        pidfile=lock,
        files_preserve=[writer, lock] if lock else [writer],
        stderr=sys.stderr,
    )
    with context:
        readiness = _Readiness(writer)
        code = serve(readiness)
        readiness.failed(code)
    sys.exit(code)


class _Readiness:
    """Tells whoever waits, once: ready, or the exit code."""

    def __init__(self, writer: int) -> None:
        self._writer = writer

    def __call__(self) -> None:
        self.failed(0)
        if sys.stderr.isatty():  # from here on nobody's
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)

    def failed(self, code: int) -> None:
        if self._writer >= 0:
            with suppress(BrokenPipeError):  # nobody waits any more
                os.write(self._writer, bytes([code]))
            os.close(self._writer)
        self._writer = -1
