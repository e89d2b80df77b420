# SPDX-License-Identifier: Apache-2.0
"""``bin/maildrophost fg`` under a real supervisord: one process, whatever happens."""

import os
import signal
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.buildout_stage import DEADLINE, Buildout, installed, until

BIN = Path(sysconfig.get_path("scripts"))
CONFIG = """\
[unix_http_server]
file = {folder}/s.sock
[supervisord]
nodaemon = true
logfile = {folder}/supervisord.log
pidfile = {folder}/supervisord.pid
childlogdir = {folder}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix://{folder}/s.sock
[program:maildrop]
command = {buildout}/bin/maildrophost fg
priority = 40
autostart = true
autorestart = true
startsecs = 0
"""


class Supervisor:
    """A supervisord that looks after one daemon."""

    def __init__(self, folder: Path, buildout: Buildout) -> None:
        self._config = folder / "supervisord.conf"
        self._config.write_text(CONFIG.format(folder=folder, buildout=buildout.folder))
        self._buildout = buildout
        command: list[str | Path] = [BIN / "supervisord", "-c", self._config]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        socket = folder / "s.sock"
        until(socket.exists, "supervisord does not start")

    def control(self, *words: str) -> str:
        done = subprocess.run(
            [BIN / "supervisorctl", "-c", self._config, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )
        return done.stdout.strip()

    def pid(self) -> int:
        """Return the process that supervisord knows, once it is a daemon that runs."""
        found = self._buildout
        until(lambda: found.control("status")[0] == 0, "no daemon")
        return int(self.control("pid", "maildrop"))

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE)


@pytest.fixture
def buildout(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, server: SmtpServer
) -> Iterator[Buildout]:
    site = installed(tmp_path_factory.mktemp("installed"))
    buildout = Buildout(tmp_path, site)
    options = {"smtp_host": "127.0.0.1", "smtp_port": str(server.port)}
    assert buildout.run(supervised_daemon="1", **options).returncode == 0
    yield buildout
    buildout.end()


def test_a_supervisor_has_one_daemon_and_each_mail_leaves_once(
    buildout: Buildout, server: SmtpServer, tmp_path: Path
) -> None:
    """The original left a daemon behind at each restart: mail went out twice."""
    supervisor = Supervisor(tmp_path, buildout)
    try:
        buildout.drop("before")
        pids = [supervisor.pid()]
        assert buildout.pid == pids[0]
        for number in range(3):
            assert "started" in supervisor.control("restart", "maildrop")
            pids.append(supervisor.pid())
            assert buildout.daemons() == [buildout.pid] == pids[-1:]
            buildout.drop(f"restarted {number}")
        os.kill(pids[-1], signal.SIGKILL)
        buildout.drop("killed")
        until(lambda: buildout.daemons() not in ([], pids[-1:]), "not restarted")
        pids.append(supervisor.pid())
        assert buildout.daemons() == pids[-1:]
        buildout.drop("after")
        server.wait(lambda s: len(s.delivered) >= 6)
        assert buildout.control("fg")[2].startswith("MaildropHost is already running")
    finally:
        supervisor.stop()

    assert len(set(pids)) == 5
    assert buildout.daemons() == []
    assert not buildout.pid_file.exists()
    subjects = sorted(
        line
        for each in server.delivered
        for line in each.content.split(b"\r\n")
        if line.startswith(b"Subject:")
    )
    assert len(subjects) == len(set(subjects)) == 6
    assert os.listdir(buildout.spool) == []
