# SPDX-License-Identifier: Apache-2.0
"""The library of DKIM is there for those who sign, and missed by nobody else."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WITHOUT = "import sys; sys.modules.update(dkim=None, nacl=None); "


def run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it in a Python that has no such library."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def checked(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "maildropd.conf").write_text(text)
    code = "from maildropd.cli.maildropctl import main; sys.exit(main())"
    return run(code, "--config", str(folder), "check")


def test_the_daemon_is_built_without_the_library() -> None:
    done = run("import maildropd.daemon.compose")

    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(("text", "code"), [("", 0), ("[dkim example.org]\n", 78)])
def test_who_signs_is_told_that_the_library_is_missing(
    tmp_path: Path, text: str, code: int
) -> None:
    done = checked(tmp_path, text)

    assert done.returncode == code
    assert ("[dkim example.org]: needs python3-dkim" in done.stderr) is bool(code)
