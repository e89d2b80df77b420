# SPDX-License-Identifier: Apache-2.0
"""The clients of sendmail, each made ready to be run by any of its names.

They are one program twice: in C for the package, in Python for any machine, and
both are held to the same tests.  Each lies in a folder of its own, together
with a twin that waits for an answer for one second instead of thirty.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parents[3]
SCRIPT = HOME / "maildropd" / "cli" / "sendmail.py"
SOURCE = HOME / "packaging" / "sendmail" / "sendmail.c"
NAMES = ("sendmail", "mailq", "newaliases")
PATIENCE = 1  # of the hasty ones, in seconds
WARNED = ("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror")
HARDENED = (*WARNED, "-O2", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong")
SANITIZED = (*WARNED, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
_FOUND_SOMETHING = 99  # the exit code of a sanitizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Twin:
    """One client."""

    kind: str
    folder: Path

    @property
    def is_c(self) -> bool:
        return self.kind in ("c", "sanitized")

    def program(self, name: str = "sendmail", *, hasty: bool = False) -> Path:
        return self.folder / ("hasty" if hasty else "") / name


def script(folder: Path) -> None:
    """As a script, with an interpreter that finds nothing else."""
    (folder / "sendmail.py").write_text(SCRIPT.read_text())
    (folder / "sendmail.py").chmod(0o755)
    (folder / "sendmail").symlink_to("sendmail.py")
    start = (
        f"import sys\nsys.path.insert(0, {str(folder)!r})\nfrom sendmail import main\n"
    )
    _hasty(folder, f"#!/usr/bin/python3 -IS\n{start}", f"patience={PATIENCE}")


def module(folder: Path) -> None:
    """As pip installs it: a function of the package, with all of Python around."""
    start = (
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(HOME)!r})\n"
        "from maildropd.cli.sendmail import main\n"
    )
    (folder / "sendmail").write_text(f"{start}sys.exit(main())\n")
    (folder / "sendmail").chmod(0o755)
    _hasty(folder, start, f"patience={PATIENCE}")


def c(folder: Path) -> None:
    """As the package has it."""
    compiled(folder / "sendmail", HARDENED)
    compiled(folder / "hasty" / "sendmail", (*HARDENED, f"-DPATIENCE={PATIENCE}"))


def sanitized(folder: Path) -> None:
    """With a compiler that looks at each access to memory."""
    compiled(folder / "sendmail", SANITIZED)
    compiled(folder / "hasty" / "sendmail", (*SANITIZED, f"-DPATIENCE={PATIENCE}"))


def compiled(program: Path, flags: Sequence[str]) -> None:
    program.parent.mkdir(exist_ok=True)
    subprocess.run(["cc", *flags, "-o", program, SOURCE], check=True, timeout=120)


def _hasty(folder: Path, start: str, how: str) -> None:
    program = folder / "hasty" / "sendmail"
    program.parent.mkdir()
    program.write_text(f"{start}sys.exit(main({how}))\n")
    program.chmod(0o755)


def made(kind: str, folder: Path) -> Twin:
    """Make a client in an empty folder, under all its names."""
    folder.mkdir(parents=True)
    {"script": script, "module": module, "c": c, "sanitized": sanitized}[kind](folder)
    for name in NAMES[1:]:
        (folder / name).symlink_to("sendmail")
    return Twin(kind=kind, folder=folder)


def environment(folder: Path) -> dict[str, str]:
    """Return what leads a client to the sockets and the drop of a test."""
    return {
        **os.environ,
        "MAILDROP_RUN": str(folder / "run"),
        "MAILDROP_DROP": str(folder / "drop"),
        # Leaks are of no interest here, and looking for them needs ptrace.
        "ASAN_OPTIONS": f"exitcode={_FOUND_SOMETHING}:detect_leaks=0",
        "UBSAN_OPTIONS": f"exitcode={_FOUND_SOMETHING}:print_stacktrace=1",
    }


def check_sanity(code: int, errors: bytes) -> None:
    """Complain if a sanitizer, or Python, has found a bug."""
    assert code != _FOUND_SOMETHING, errors.decode(errors="replace")
    assert b"Sanitizer" not in errors, errors.decode(errors="replace")
    assert b"runtime error" not in errors, errors.decode(errors="replace")
    assert b"Traceback" not in errors, errors.decode(errors="replace")
