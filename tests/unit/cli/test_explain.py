# SPDX-License-Identifier: Apache-2.0
"""What maildropctl explain says of an address."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from maildropd.cli import maildropctl

ROOT = Path(__file__).parents[3]
CONFIG = """[daemon]
hostname = host.example
[names]
aliases = aliases
[submission]
otherwise = rewrite
[submitter stage]
uid = 4242
redirect_to = dev@far.example
[submitter strict]
uid = 4243
otherwise = refuse
[submitter kept]
uid = 4244
capture = kept
[submitter other]
uid = 4245
relay = other
senders = *
[queue]
relay = smarthost
[relay smarthost]
host = smtp.far.example
[relay other]
host = other.far.example
port = 587
"""
ALIASES = """root: alice, ops@far.example
loop: x@far.example, loop2
loop2: loop
many: x@far.example, y@far.example
run: |/bin/true
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "maildropd.conf").write_text(CONFIG)
    (tmp_path / "aliases").write_text(ALIASES)
    return tmp_path


def explained(
    folder: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, list[str]]:
    code = maildropctl.main(["--config", str(folder), "explain", *words])
    said = capsys.readouterr()
    return code, (said.out + said.err).splitlines()


def test_each_step_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = explained(folder, capsys, "root", "--uid", "0")

    assert code == 0
    assert lines == [
        "uid 0 is root: no [submitter] section applies, may use any name",
        "from root@host.example",
        "root becomes root@host.example: completed ([names] domain)",
        f"root@host.example becomes alice, ops@far.example: {folder}/aliases:1",
        "alice becomes alice@host.example: completed ([names] domain)",
        "to alice@host.example: by relay smarthost, smtp.far.example:25",
        "to ops@far.example: by relay smarthost, smtp.far.example:25",
    ]


@pytest.mark.parametrize(
    ("uid", "line"),
    [
        ("4242", "to dev@far.example in place of b@far.example: by relay smarthost"),
        ("4244", "to b@far.example: captured in"),
        ("4245", "to b@far.example: by relay other, other.far.example:587"),
    ],
)
def test_what_a_section_does_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], uid: str, line: str
) -> None:
    code, lines = explained(folder, capsys, "b@far.example", "--uid", uid)

    assert code == 0
    assert lines[-1].startswith(line)


def test_a_name_that_is_not_ones_own_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("b@far.example", "--from", "bob", "--uid", "9999")

    code, lines = explained(folder, capsys, *words)

    assert code == 0
    became = "from bob@host.example becomes uid9999@host.example: he may not use it"
    assert became in lines


def test_what_would_be_refused_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("b@far.example", "--from", "bob", "--uid", "4243")

    code, lines = explained(folder, capsys, *words)

    assert code == 1
    assert "uid4243 may not send as bob@host.example" in lines[-1]


@pytest.mark.parametrize("address", ["a b", "", "a@b, c@d"])
def test_what_is_no_address_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    assert explained(folder, capsys, address)[0] == 1


@pytest.mark.parametrize("uid", ["-1", "4294967295", "9" * 14, "root", ""])
def test_a_user_that_there_cannot_be_is_a_matter_of_usage(
    folder: Path, capsys: pytest.CaptureFixture[str], uid: str
) -> None:
    """It was explained what such a user may do."""
    with pytest.raises(SystemExit) as ended:
        explained(folder, capsys, "b@far.example", f"--uid={uid}")

    assert ended.value.code == 64
    assert f"{uid!r} is not the number of a user" in capsys.readouterr().err


def test_a_configuration_that_is_wrong_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "maildropd.conf").write_text("[quee]\n")

    code, lines = explained(folder, capsys, "root")

    assert code == 78
    assert "unknown section" in lines[0]


def test_what_goes_well_is_told_before_what_does_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = explained(folder, capsys, "loop@localhost", "--uid", "0")

    assert code == 1
    assert lines[-3:] == [
        f"loop2@host.example becomes loop: {folder}/aliases:3",
        "loop becomes loop@host.example: completed ([names] domain)",
        f"451 4.3.5 {folder}/aliases:2: loop leads to itself",
    ]


def test_more_recipients_than_a_section_allows_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "maildropd.conf").open("a") as file:
        file.write("[submitter few]\nuid = 4246\nrecipient_limit = 1\n")

    code, lines = explained(folder, capsys, "many", "--uid", "4246")

    assert code == 1
    assert lines[-1] == "550 5.5.3 more than 1 recipients"


def test_a_command_of_an_alias_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "needs aliases_may_run" in explained(folder, capsys, "run")[1][-1]
    config = CONFIG.replace("[names]", "[names]\naliases_may_run = yes")
    (folder / "maildropd.conf").write_text(config)

    code, lines = explained(folder, capsys, "run", "--uid", "0")

    assert code == 0
    assert lines[-1] == "to run@host.example: runs |/bin/true"
    redirected = explained(folder, capsys, "run", "--uid", "4242")[1][-1]
    assert redirected.startswith("to dev@far.example in place of |/bin/true: by relay")


@pytest.mark.parametrize(
    ("sender", "line"),
    [
        ("<>", "from <>"),
        ("", "from <>"),
        ("root", "from root@host.example"),
        ("Root <root@localhost>", "from root@host.example"),
    ],
)
def test_a_sender_is_read_as_it_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], sender: str, line: str
) -> None:
    words = ("b@far.example", "--uid", "0", "--from", sender)

    assert line in explained(folder, capsys, *words)[1]


def test_an_entry_that_is_wrong_is_told_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "aliases").write_text("no entry\nroot: x@far.example\n")

    code, lines = explained(folder, capsys, "root", "--uid", "0")

    assert code == 0
    assert any(line.startswith(f"{folder}/aliases:1: has no name") for line in lines)


def test_nothing_that_is_shown_steers_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "aliases").write_text("root: x\x1b[2J@far.example\n")

    code, lines = explained(folder, capsys, "root", "--uid", "0")

    assert code == 1
    assert all(line.isprintable() for line in lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_sees_what_the_daemon_sees(folder: Path) -> None:
    """A file that only root may read is none to the daemon."""
    (folder / "state").mkdir()
    os.chown(folder / "state", 4321, 4321)
    (folder / "aliases").chmod(0o600)
    for path in [folder, *folder.parents[:2]]:
        path.chmod(0o755)
    program = "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())"

    done = subprocess.run(
        [sys.executable, "-c", program, "--config", folder, "explain", "root"],
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
    )

    assert done.returncode == 1
    assert "aliases cannot be read (Permission denied)" in done.stderr


ROUTES = """
[route gone]
recipient = gone@
error = 550 5.1.1 no such user here
[route away]
recipient = away.example
discard = yes
[route inside]
recipient = .inside.example
relay = other, smarthost
[route bounces]
sender = <>
capture = bounces
[route out]
submitter = stage
mx = yes
"""


@pytest.mark.parametrize(
    ("words", "way"),
    [
        (
            ["gone@x.example"],
            "refused, 550 no such user here ([route gone])",
        ),
        (["b@away.example"], "discarded ([route away])"),
        (
            ["b@a.inside.example"],
            (
                "by relay other, other.far.example:587,"
                " else smarthost, smtp.far.example:25 ([route inside])"
            ),
        ),
        (["b@x.example", "--from", "<>"], "captured in {folder}/bounces ([route bou"),
        (["b@x.example", "--uid", "4242"], "by the servers of far.example ([route out"),
        (["b@x.example"], "by relay smarthost, smtp.far.example:25"),
    ],
)
def test_the_route_and_its_next_hops_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], way: str
) -> None:
    (folder / "maildropd.conf").write_text(CONFIG + ROUTES)

    code, lines = explained(folder, capsys, *words)

    assert code == 0
    assert lines[-1].partition(": ")[2].startswith(way.format(folder=folder))
