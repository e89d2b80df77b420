# SPDX-License-Identifier: Apache-2.0
"""Any program can use the API: a venv with nothing in it, and no compiler."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.daemon import HOME, DaemonProcess

pytestmark = pytest.mark.integration

PROGRAM = """
import sys
from maildropd import api

message = "From: a@example.org\\nTo: b@example.net\\n\\nhello\\n"
found = api.submit(message, door=api.Door(run=sys.argv[1], drop=sys.argv[2]))
print(found.where, found.queue_id)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What is built from, aside: a build leaves things where it is done."""
    folder = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HOME / "maildropd", folder / "maildropd", ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(HOME / name, folder)
    return folder


def run(*words: str | Path, **environment: str) -> str:
    """Run a command, and return what it prints; its words are in what it raises."""
    done = subprocess.run(
        words,
        env={"PATH": "/nowhere", "HOME": "/nowhere", "LC_ALL": "C.UTF-8"} | environment,
        cwd="/",
        check=False,
        timeout=120,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_a_bare_venv_without_a_compiler_submits_to_a_real_daemon(
    tmp_path: Path, source: Path
) -> None:
    """There is no network in it either: nothing may be asked for."""
    python = tmp_path / "venv" / "bin" / "python"
    pip = ("-m", "pip", "--isolated", "--no-input", "--disable-pip-version-check")
    offline = ("--no-index", "--no-build-isolation", "--no-cache-dir")
    run("/usr/bin/python3", "-I", "-m", "venv", tmp_path / "venv")
    folder = tmp_path / "wheels"
    run(sys.executable, *pip, "wheel", *offline, "--no-deps", "-w", folder, source)
    (wheel,) = folder.iterdir()

    run(python, *pip, "install", *offline, wheel)

    run(python, *pip, "check")
    listed = run(python, *pip, "list", "--format=freeze").split()
    assert {each.partition("=")[0] for each in listed} == {
        *("maildropd", "pip", "setuptools")
    }
    daemon = DaemonProcess(tmp_path, port=9).start()
    said = run(python, "-I", "-c", PROGRAM, tmp_path / "run", daemon.drop)
    (accepted,) = daemon.wait_for("MessageAccepted")
    assert said.split() == ["socket", accepted["MAILDROP_QUEUE_ID"]]
    assert accepted["MAILDROP_SUBMITTER_UID"] == str(os.getuid())
    assert daemon.stop() == 0
