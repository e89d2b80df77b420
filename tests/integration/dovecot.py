# SPDX-License-Identifier: Apache-2.0
"""A real Dovecot as a server for submission, in front of a server of ours.

It knows one user by password and one by token; which tokens are good it asks
an endpoint that is ours, too.
"""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.fakes.certificates import certificates
from tests.fakes.smtp_server import SmtpServer
from tests.fakes.token_endpoint import Reaction, TokenEndpoint, answer

PASSWORD = "gehéim 5ecret"
_START = 20.0  # seconds
_CONFIG = """
protocols = submission
listen = 127.0.0.1
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
auth_verbose = yes
auth_username_chars =
auth_failure_delay = 0
ssl = required
ssl_cert = <{pem}
ssl_key = <{pem}
ssl_min_protocol = TLSv1.2
default_login_user = {login}
default_internal_user = {internal}
auth_mechanisms = plain login cram-md5 scram-sha-256 oauthbearer xoauth2
passdb {{
  driver = passwd-file
  mechanisms = plain login cram-md5 scram-sha-256
  args = scheme=plain {folder}/users
}}
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {folder}/oauth2
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
mail_location = maildir:{folder}/home/mail
first_valid_uid = 0
first_valid_gid = 0
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {backend}
submission_relay_trusted = yes
"""
_OAUTH2 = """
introspection_mode = post
introspection_url = {url}
username_attribute = username
active_attribute = active
active_value = true
"""


class Introspection(TokenEndpoint):
    """Says of a token whose it is, and whether it is still good."""

    def __init__(self, good: str, whose: str) -> None:
        super().__init__()
        self._good, self._whose = good, whose

    def _usual(self) -> Reaction:
        active = self.asked[-1].get("token") == self._good
        return answer(200, {"active": active, "username": self._whose})


class Dovecot:
    """Runs while it is entered."""

    def __init__(self, users: dict[str, str], backend: SmtpServer, url: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="maildropd-dovecot-"))
        self.port = _free_port()
        self._write(users, backend, url)

    def _write(self, users: dict[str, str], backend: SmtpServer, url: str) -> None:
        folder = self._folder
        folder.chmod(0o755)
        (folder / "home").mkdir()
        owner = (
            pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        )
        os.chown(folder / "home", owner.pw_uid, owner.pw_gid)
        lines = [f"{name}:{word}" for name, word in users.items()]
        (folder / "users").write_text("\n".join(lines) + "\n", "utf-8")
        (folder / "oauth2").write_text(_OAUTH2.format(url=url))
        root = os.geteuid() == 0
        text = _CONFIG.format(
            folder=folder,
            pem=certificates().folder / "good.pem",
            login="dovenull" if root else owner.pw_name,
            internal="dovecot" if root else owner.pw_name,
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            port=self.port,
            backend=backend.port,
        )
        (folder / "dovecot.conf").write_text(text)

    def __enter__(self) -> Self:
        words = ["/usr/sbin/dovecot", "-F", "-c", str(self._folder / "dovecot.conf")]
        self._process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        until = time.monotonic() + _START
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder)

    def log(self) -> str:
        """Return what it says."""
        with suppress(FileNotFoundError):
            return (self._folder / "log").read_text("utf-8", "replace")
        return ""

    def _answers(self) -> bool:
        """Wait for its greeting."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
                return sock.recv(3) == b"220"
        except ConnectionError:
            return self._process.poll() is not None or self._pause()

    def _pause(self) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.05)
        return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
    return port
