# SPDX-License-Identifier: Apache-2.0
"""The operator's command: its words, its exit codes, its manners."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maildropd.cli.maildropctl import main
from tests.unit.cli.talk import Ctl, Said
from tests.unit.control.queues import a_queue

ROOT = Path(__file__).parents[3]


def test_check_says_everything_that_is_wrong(folder: Path, ctl: Ctl) -> None:
    (folder / "maildropd.conf").write_text("[queue]\nfirst_try = 1s\n[relais]\n")

    said = ctl("check")

    assert said.code == 78
    assert said.err.splitlines() == [
        (
            f"{folder}/maildropd.conf:2: first_try: unknown key in [queue] "
            "(try first_retry)"
        ),
        f"{folder}/maildropd.conf:3: [relais]: unknown section (try relay)",
    ]


def test_check_says_that_nothing_is_wrong(folder: Path, ctl: Ctl) -> None:
    said = ctl("check")

    assert said == Said(0, f"{folder}/maildropd.conf: no errors\n", "")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["dance"],
        ["show"],
        ["hold"],
        ["queue", "--xml"],
        ["--instance", "../x", "queue"],
        ["--instance", "a", "--config", "b", "queue"],
    ],
)
def test_a_wrong_command_line_is_told(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)

    assert left.value.code == 64
    assert capsys.readouterr().err.startswith("usage: maildropctl")


def test_whoever_has_seen_enough_is_not_shouted_at(folder: Path) -> None:
    """maildropctl queue | head."""
    with a_queue(folder) as queue:
        queue.add_many(1001)
    program = "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())"

    with subprocess.Popen(
        [sys.executable, "-c", program, "--config", folder, "queue", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == b"maildropd is not running, this is its store\n"


PROGRAM = "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())"
SHELL = f"""exec "$0" -c '{PROGRAM}' --config "$@" """
VERP = ("verp", "bounces+user=example.net@lists.example.org")


@pytest.mark.parametrize("words", [("queue",), ("explain", "bob@example.net"), VERP])
@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        (">/dev/full", 1, "maildropctl: No space left on device\n"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
    ],
)
def test_output_that_goes_nowhere_makes_no_traceback(
    folder: Path, words: tuple[str, ...], output: str, code: int, said: str
) -> None:
    with a_queue(folder) as queue:
        queue.add()

    done = in_a_shell(folder, output, *words)

    complaint = done.stderr.decode()
    assert (done.returncode, complaint.endswith(said)) == (code, True)
    assert "Traceback" not in complaint
    assert "ignored" not in complaint


def test_an_address_that_the_terminal_cannot_show_is_escaped(folder: Path) -> None:
    """One message would hide all that come after it."""
    with a_queue(folder) as queue:
        queue.add("\u0142@example.net")

    done = in_a_shell(folder, "", "queue", PYTHONIOENCODING="latin-1")

    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert rb"\u0142@example.net" in done.stdout


def in_a_shell(
    folder: Path, output: str, *words: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command with its output where a shell puts it."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "", **environment}
    return subprocess.run(
        ["sh", "-c", SHELL + output, sys.executable, folder, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        check=False,
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_leaves_no_file_that_the_daemon_could_not_use(folder: Path) -> None:
    with a_queue(folder) as queue:
        queue.add()
    for path in [folder / "state", *(folder / "state").rglob("*")]:
        os.chown(path, 4321, 4321)
    for path in [folder, *folder.parents[:2]]:
        path.chmod(0o755)
    program = "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", program, "--config", folder, "flush"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    owners = {path.stat().st_uid for path in (folder / "state").rglob("*")}
    assert owners == {4321}
