# SPDX-License-Identifier: Apache-2.0
"""The guide for infrae.maildrophost, followed in a real buildout with a full spool."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.buildout_stage import DEADLINE, Buildout, installed
from tests.integration.guides import commands

GUIDE = "infrae.maildrophost.md"
ALL, LOCKED, BROKEN = 1000, 100, 10
BROKEN_MAILS = (
    b"",
    b"##To:r@example.net\n",
    b"##To:r@example.net\n##junk\n\nhi\n",
    b"x",
)


@pytest.fixture
def old(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, server: SmtpServer
) -> Iterator[Buildout]:
    """Lend a buildout of infrae.maildrophost; its programs are stand-ins."""
    site = installed(tmp_path_factory.mktemp("installed"))
    buildout = Buildout(tmp_path, site)
    options = f"smtp_host = 127.0.0.1\nsmtp_port = {server.port}\n"
    buildout.write(f"[maildrophost]\nrecipe = infrae.maildrophost\n{options}")
    fill(buildout.spool)
    scripts = Path(sys.executable).parent
    library = f"PYTHONPATH={shlex.quote(str(site))} exec"
    code = "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())"
    control = shlex.join([sys.executable, "-c", code])
    programs = {
        "pip": "",
        "maildrophost": "echo MaildropHost STOPPED.",
        "buildout": f'{library} {scripts / "buildout"} "$@"',
        "maildropctl": f'{library} {control} "$@"',
    }
    (tmp_path / "bin").mkdir()
    for name, script in programs.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    yield buildout
    buildout.end()


def fill(spool: Path) -> None:
    spool.mkdir(parents=True)
    for number in range(ALL):
        name = str(100_000 + number)
        head = f"##To:r{number}@example.net\n##From:a@example.org\n"
        content = f"{head}Subject: {number}\n\nb\u00f6dy {number}\n".encode()
        if number < BROKEN:
            content = BROKEN_MAILS[number % len(BROKEN_MAILS)]
        elif number < BROKEN + LOCKED:
            (spool / f"{name}.lck").write_bytes(b"locked")
        (spool / name).write_bytes(content)


def test_a_thousand_mails_are_delivered_held_or_quarantined(
    old: Buildout, server: SmtpServer
) -> None:
    said: dict[str, str] = {}
    for line in commands(GUIDE):
        done = subprocess.run(
            ["sh", "-ec", line.replace("/srv/buildout", str(old.folder))],
            cwd="/",
            check=False,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        said[line] = done.stdout
    ready = ALL - LOCKED - BROKEN
    server.wait(lambda s: len(s.delivered) >= ready, DEADLINE)

    assert re.search(r"recipe = maildropd\n", (old.folder / "buildout.cfg").read_text())
    assert len(server.delivered) == ready
    assert len({taken.recipients for taken in server.delivered}) == ready
    assert len(list((old.home / "quarantine").glob("*.reason"))) == BROKEN
    assert held(old) == LOCKED
    assert list((old.home / "spool.old").iterdir()) == []


def held(buildout: Buildout) -> int:
    """Count by what maildropctl shows to programs."""
    done = subprocess.run(
        [
            *(buildout.folder / "bin" / "maildropctl", "--config"),
            *(buildout.home / "maildropd", "queue", "--json"),
        ],
        check=True,
        capture_output=True,
        timeout=DEADLINE,
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    states = [each["state"] for one in messages for each in one["recipients"]]
    assert set(states) <= {"hold"}
    return len(states)
