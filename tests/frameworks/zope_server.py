# SPDX-License-Identifier: Apache-2.0
"""A real Zope as a process: an instance in a folder, its ZODB, its ZMI by HTTP."""

import base64
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

HOME = Path(__file__).resolve().parents[2]
DEADLINE = 60.0
MANAGER = "admin:secret"

# What "zcml = maildropd.integrations.zope" in a buildout writes.
SLUG = '<include package="maildropd.integrations.zope" file="configure.zcml" />\n'
SITE = """
  <configure xmlns:browser="http://namespaces.zope.org/browser">
    <browser:page for="*" name="once" permission="zope.Public"
        class="tests.frameworks.zope_site.Once" />
    <browser:page for="*" name="retried" permission="zope.Public"
        class="tests.frameworks.zope_site.Retried" />
    <browser:page for="*" name="failing" permission="zope.Public"
        class="tests.frameworks.zope_site.Failing" />
  </configure>
</configure>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What Zope has said."""

    status: int
    location: str
    text: str


class ZopeServer:
    """An instance as mkwsgiinstance makes it, with our product as a slug."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        path = os.pathsep.join([str(HOME), os.environ.get("PYTHONPATH", "")])
        self._environment = {**os.environ, "PYTHONPATH": path, **environment}
        self._log: list[str] = []
        self._serving = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        code = "from Zope2.utilities.mkwsgiinstance import main; main()"
        subprocess.run(
            [sys.executable, "-c", code, "-d", folder, "-u", MANAGER],
            check=True,
            timeout=DEADLINE,
        )
        site = folder / "etc" / "site.zcml"
        site.write_text(site.read_text().replace("</configure>", SITE))
        slugs = folder / "etc" / "package-includes"
        slugs.mkdir()
        (slugs / "100-maildropd-configure.zcml").write_text(SLUG)
        ini = folder / "etc" / "zope.ini"
        text = ini.read_text().replace("port = 8080", "port = 0")
        # That filter is Paste's, which only Zope's extra "wsgi" brings.
        ini.write_text(text.replace("\n    translogger\n", "\n"))

    def configure(self, text: str) -> None:
        """Add to zope.conf."""
        with (self.folder / "etc" / "zope.conf").open("a") as conf:
            conf.write(text)

    def start(self) -> None:
        """Start it, and return once it serves."""
        self._port, self._serving = 0, threading.Event()
        code = "from Zope2.Startup.serve import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code, "etc/zope.ini"],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        running = (self._process, self._serving)
        threading.Thread(target=self._read, args=running, daemon=True).start()
        assert self._serving.wait(DEADLINE), self.log
        assert self._port, self.log

    def stop(self) -> None:
        """End it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(DEADLINE)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        return "".join(self._log)

    def get(self, path: str, user: str = MANAGER) -> Answer:
        """Ask for a page, as a manager or as somebody else; "" is nobody."""
        return self._ask("GET", path, None, user)

    def post(self, path: str, user: str = MANAGER, **fields: str) -> Answer:
        """Send a form."""
        return self._ask("POST", path, urlencode(fields), user)

    def _ask(self, method: str, path: str, body: str | None, user: str) -> Answer:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        headers = {}
        if user:
            word = base64.b64encode(user.encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        location = answer.headers.get("Location", "")
        return Answer(status=answer.status, location=location, text=text)

    def _read(self, process: subprocess.Popen[str], serving: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._log.append(line)
                if found := re.search(r"Serving on http://127\.0\.0\.1:(\d+)", line):
                    self._port = int(found[1])
                    serving.set()
        serving.set()
