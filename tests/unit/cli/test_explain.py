# SPDX-License-Identifier: Apache-2.0
"""What maildropctl explain says of an address."""

from pathlib import Path

import pytest

from maildropd.cli import maildropctl

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "maildropd.conf").write_text(CONFIG)
    (tmp_path / "aliases").write_text("root: alice, ops@far.example\nloop: loop2\n")
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


def test_a_configuration_that_is_wrong_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "maildropd.conf").write_text("[quee]\n")

    code, lines = explained(folder, capsys, "root")

    assert code == 1
    assert "unknown section" in lines[0]
