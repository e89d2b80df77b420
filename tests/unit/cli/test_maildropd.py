# SPDX-License-Identifier: Apache-2.0
"""The daemon's command line, understood; what it starts is another's business."""

import subprocess
import sys
from pathlib import Path

import pytest

from maildropd import __version__
from maildropd.cli.maildropd import main
from maildropd.config.layout import Layout
from maildropd.daemon import start
from maildropd.daemon.options import Options

ROOT = Path(__file__).parents[3]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """Return with which options a daemon would have run."""
    options: list[Options] = []

    def run(asked: Options) -> int:
        options.append(asked)
        return 3

    monkeypatch.setattr(start, "run", run)
    return options


def test_without_options_it_is_the_hosts_own_daemon(started: list[Options]) -> None:
    assert main([]) == 3

    assert started == [Options(layout=Layout.of_host())]


def test_every_option_arrives(started: list[Options], tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    main(
        [
            *("--config", str(tmp_path), "--log-format", "json"),
            *("--detach", "--pid-file", str(pid_file)),
        ]
    )

    assert started == [
        Options(
            layout=Layout.of_path(tmp_path),
            detach=True,
            pid_file=pid_file,
            log_format="json",
        )
    ]


def test_an_instance_has_places_of_its_own(started: list[Options]) -> None:
    main(["--instance", "zope"])

    assert started == [Options(layout=Layout.of_host("zope"))]
    assert started[0].layout.config == Path("/etc/maildrop/zope.conf")


def test_check_starts_nothing(
    started: list[Options], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "maildropd.conf").write_text("[relay a]\nport = x\ntls = x\n")

    assert main(["--config", str(tmp_path), "--check"]) == 78

    assert len(capsys.readouterr().err.splitlines()) == 2
    assert started == []


@pytest.mark.parametrize(
    "argv",
    [
        ["--frob"],
        ["--log-format", "xml"],
        ["--instance", "maildropd"],
        ["--instance", ""],
        ["--conf", "x"],
        ["x"],
    ],
)
def test_a_wrong_command_line_is_told(
    argv: list[str], started: list[Options], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)

    assert left.value.code == 64
    assert "usage: maildropd" in capsys.readouterr().err
    assert started == []


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])

    assert left.value.code == 0
    assert capsys.readouterr().out == f"maildropd {__version__}\n"


def test_the_version_needs_little_of_the_house() -> None:
    """A daemon's parts take long to read, and may be broken."""
    program = (
        "import sys\n"
        "from maildropd.cli.maildropd import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print([m for m in sys.modules if 'maildropd.daemon' in m])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[1] == "[]"
