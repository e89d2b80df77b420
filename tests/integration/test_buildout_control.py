# SPDX-License-Identifier: Apache-2.0
"""The control script's verbs, with our daemon behind them.

What needs a buildout and a supervisor is in tests/frameworks.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd.foreign.maildrophost.grammar import Value
from maildropd.foreign.maildrophost.writing import write
from maildropd.integrations import buildout_control
from maildropd.integrations.buildout_control import LIBRARIES, advice, main
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import HOME


class Script:
    """``bin/maildrophost`` without the file."""

    def __init__(self, folder: Path, port: int) -> None:
        self.home = folder / "maildrop"
        self.config = folder / "maildrophost.cfg"
        self.pid_file = self.home / "maildrop.pid"
        self._port = port
        self.configure()

    def configure(self, **more: str | int) -> None:
        common: dict[str, Value] = {
            "MAILDROP_HOME": str(self.home),
            "MAILDROP_VAR": str(self.home),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": self._port,
            "MAILDROP_INTERVAL": 120,
            **dict.fromkeys(("DEBUG", "MAILDROP_BATCH", "MAILDROP_TLS"), 0),
            **dict.fromkeys(("MAILDROP_LOGIN", "MAILDROP_PASSWORD"), ""),
            "WAIT_INTERVAL": 0.0,
            "SUPERVISED_DAEMON": 0,
        }
        self.home.mkdir(exist_ok=True)
        write(self.config, common | more)

    def __call__(self, *words: str) -> int:
        return main(str(self.config), words)


@pytest.fixture
def script(
    tmp_path: Path, server: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Script]:
    monkeypatch.syspath_prepend(HOME)
    script = Script(tmp_path, server.port)
    yield script
    script("stop")


def test_it_starts_serves_and_stops(
    script: Script, server: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script("start") == 0
    mail = script.home / "spool" / ".1"
    mail.write_text("##To:r@example.net\n##From:s@example.org\nSubject: x\n\nx\n")
    mail.rename(script.home / "spool" / "1")
    server.wait(lambda s: len(s.delivered) == 1)
    assert script("status") == 0
    assert script("start") == 1
    assert script("restart") == 0
    assert script("stop") == 0
    assert script("stop") == 1

    said = capsys.readouterr()
    assert said.out.count("MaildropHost STARTED.\n") == 2
    assert said.out.count("MaildropHost STOPPED.\n") == 2
    assert "is already running with PID" in said.err
    assert "OK\t r@example.net" in (script.home / "maildrop.log").read_text()
    assert not script.pid_file.exists()


def test_why_it_does_not_start_is_shown(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    (script.home / "maildropd").mkdir()
    (script.home / "maildropd" / "state").write_text("")

    assert script("restart") == 1
    assert "MaildropHost did NOT start" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("bogus",), ("start", "now")])
def test_one_verb_is_wanted(
    script: Script, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert script(*words) == 1
    assert "[start|fg|stop|restart|status]" in capsys.readouterr().out


def test_garbage_in_the_pid_file_is_taken_away(
    script: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    script.pid_file.write_text("x")

    assert script("status") == 1
    assert "Invalid pidfile, file will be deleted." in capsys.readouterr().out
    assert not script.pid_file.exists()


@pytest.mark.parametrize("verb", ["start", "fg", "stop", "restart", "status"])
def test_a_broken_configuration_is_told_with_its_line(
    script: Script, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    script.config.write_text("SMTP_PORT=25\nSMTP_HOST=")

    assert script(verb) == 1
    assert f"{script.config}:2: SMTP_HOST: has no value" in capsys.readouterr().err
    script.config.unlink()
    assert script(verb) == 1
    assert "Could not find MaildropHost configuration." in capsys.readouterr().err


def test_in_the_foreground_it_becomes_the_daemon(
    script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Became(Exception):
        pass

    def execv(path: str, line: list[str]) -> None:
        raise Became(path, *line)

    monkeypatch.setattr(os, "execv", execv)
    assert script("fg") == 1
    assert "SUPERVISED_DAEMON must be on" in capsys.readouterr().err
    script.configure(
        SUPERVISED_DAEMON=1, MAILDROP_LOGIN="u", MAILDROP_PASSWORD="s3cret"
    )
    with pytest.raises(Became) as became:
        script("fg")

    line = became.value.args
    assert line[0] == line[1]
    assert "--detach" not in line
    assert str(script.pid_file) in line
    assert not any("s3cret" in word for word in line)


def test_missing_libraries_are_named_with_their_packages(
    script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(buildout_control, "missing", lambda: list(LIBRARIES))

    assert script("start") == 1
    assert capsys.readouterr().err == advice(list(LIBRARIES)) + "\n"


def test_a_large_log_is_put_aside_at_a_start(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buildout_control, "_LARGE", 10)
    log = script.home / "maildropd.log"
    log.write_text("a long line\n")

    assert script("start") == 0

    assert (script.home / "maildropd.log.old").read_text() == "a long line\n"
    assert log.stat().st_mode & 0o027 == 0
