# SPDX-License-Identifier: Apache-2.0
"""The command that OnFailure= runs."""

import sys
from pathlib import Path

import pytest

from maildropd.cli import notify
from maildropd.notice.sender import Client, NotHanded


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what a real systemd said, nor the host's record."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    for name in ("UNIT", "INVOCATION_ID", "SERVICE_RESULT"):
        monkeypatch.delenv(f"MONITOR_{name}", raising=False)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a.service", "--digest"],
        ["no unit"],
        ["--", "--help"],
        ["--window", "5", "a.service"],
        ["--nonsense", "a.service"],
    ],
)
def test_a_wrong_command_line_is_a_matter_of_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        notify.main(words)

    assert ended.value.code == 64
    assert capsys.readouterr().err.startswith("usage: maildropd-notify ")


def test_a_failure_of_what_mails_is_only_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert notify.main(["--window=5min", "--", "maildropd-notify@x.service"]) == 0
    assert "not mailed" in capsys.readouterr().out


def test_a_round_with_nothing_to_tell_says_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert notify.main(["--digest"]) == 0
    assert capsys.readouterr().out == ""


def test_where_no_mail_can_be_handed_over_the_unit_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = tmp_path / ".client"
    client.write_text("import sys; sys.exit('nobody is there')")
    monkeypatch.setattr(notify, "Client", lambda: Client(client))

    assert notify.main(["--", "no-such-unit-here.service"]) == 75
    assert "no mail could be handed over: nobody is there" in capsys.readouterr().err


def test_the_client_is_given_the_mail_as_sendmail_would_be(tmp_path: Path) -> None:
    client, seen = tmp_path / "client", tmp_path / "seen"
    client.write_text(
        f"import sys; open({str(seen)!r}, 'w').write("
        "repr(sys.argv[1:]) + sys.stdin.read())"
    )

    Client(client).hand(b"Subject: x\n\nbody\n")

    words = ["-i", "-f", "root", "--", "root"]
    assert seen.read_text() == f"{words!r}Subject: x\n\nbody\n"


def test_a_client_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotHanded, match=r"nowhere\.py"):
        Client(tmp_path / "nowhere.py").hand(b"")


def test_a_client_that_fails_without_a_word_is_said(tmp_path: Path) -> None:
    client = tmp_path / "client"
    client.write_text("import sys; sys.exit(75)")

    with pytest.raises(NotHanded, match="ended with 75"):
        Client(client).hand(b"")
    assert sys.executable


@pytest.mark.parametrize("words", [["--", "no-such-unit-here.service"], ["--digest"]])
def test_a_record_that_cannot_be_kept_is_said_without_a_traceback(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The disk is full, or whoever calls may not write there."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "gone"))

    assert notify.main(words) == 75
    assert capsys.readouterr().err == (
        f"the record cannot be kept: {tmp_path}/gone/.lock: No such file or directory\n"
    )
