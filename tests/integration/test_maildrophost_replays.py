# SPDX-License-Identifier: Apache-2.0
"""What MaildropHost's daemon was seen to do, played to ours: as good, or better.

A scenario is a configuration, a spool and a server.  Ours are below; where the
recorded ones are here, each of them is played, too.
"""

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from maildropd.foreign.maildrophost.importing import alone, secret
from maildropd.foreign.maildrophost.settings import Settings
from tests.fakes.actions import drop, reply
from tests.fakes.smtp_server import EXTENSIONS, SmtpServer
from tests.integration.daemon import HOME, DaemonProcess

ORACLE = HOME.parent / "shared" / "fixtures" / "maildrophost" / "oracle.json"
MAIL = "##To:r@x\n##From:b@x\nSubject: 1\n\nbody 1\n"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What has to come of a scenario; a bounce is a mail to its sender."""

    delivered: tuple[str, ...] = ()
    bounced: tuple[str, ...] = ()  # to these senders
    deferred: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
    left: tuple[str, ...] = ()  # in the spool
    log: tuple[str, ...] = ()  # words that begin a line of the log


RESULTS: Mapping[str, Result] = {
    "ok": Result(
        delivered=("recipient@some.com",),
        quarantined=("README",),
        left=("99", "99.lck", "subdir"),
        log=("OK\t recipient@some.com",),
    ),
    "auth_ok": Result(delivered=("r@x",), log=("OK\t r@x",)),
    "batch": Result(delivered=("r1@x", "r2@x", "r3@x", "r4@x", "r5@x")),
    "crlf": Result(delivered=("r@x",), log=("OK\t r@x",)),
    "nofrom": Result(delivered=("r@x",)),
    "utf8": Result(delivered=("j@x",)),
    "multi": Result(
        delivered=(
            *("jane@x.example", "john@x.example"),
            *("m1@x.example", "m2@x.example"),
        )
    ),
    "mspool": Result(delivered=("r1@x", "r2@x")),
    # Theirs ended here, or sent it again for ever, or forgot somebody.
    "data554": Result(bounced=("b@x",), log=("('FATAL: ', ",)),
    "perm": Result(bounced=("b@x",), log=("('FATAL: ', \"{'bad@x': (550, 'nope",)),
    "mixed": Result(
        delivered=("good@x",),
        bounced=("b@x",),
        deferred=("tmp@x",),
        log=("OK\t good@x", "('FATAL: ', ", "('BAD: ', "),
    ),
    "dropconn": Result(delivered=("r@x",), log=("!!!!! Connection error at ", "OK\t")),
    "nocolon": Result(quarantined=("1",)),
    "emptyto": Result(quarantined=("1",)),
    "tls1none": Result(delivered=("r@x",)),
    "debugrecv": Result(delivered=("dbg@x",)),
}


@dataclass(kw_only=True)
class Scenario:
    """One of them, as it is recorded."""

    case: str
    config_extra: list[str] = field(default_factory=list)
    server_behaviour: dict[str, Any] = field(default_factory=dict)
    spool_before: dict[str, str] = field(default_factory=lambda: {"1": MAIL})


OWN = [
    Scenario(case="tls1none", config_extra=["MAILDROP_TLS=1"]),
    Scenario(case="data554", server_behaviour={"data": "554 no"}),
    Scenario(case="dropconn", server_behaviour={"drop_connect": 1}),
    Scenario(
        case="mixed",
        server_behaviour={"rcpt": {"bad@x": "550 nope", "tmp@x": "451 later"}},
        spool_before={"7": "##To:bad@x,good@x,tmp@x\n##From:b@x\nSubject: p\n\nb\n"},
    ),
]


def scenarios() -> list[Scenario]:
    if not ORACLE.exists():
        return OWN
    names = ("case", "config_extra", "server_behaviour", "spool_before")
    recorded = json.loads(ORACLE.read_text())
    return OWN + [Scenario(**{name: one[name] for name in names}) for one in recorded]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ours").mkdir()
    return tmp_path


def smarthost(scenario: Scenario) -> SmtpServer:
    """Return a server that behaves as theirs did."""
    behaviour = scenario.server_behaviour
    users = {"u": "p"} if "auth" in behaviour else None
    server = SmtpServer(extensions=EXTENSIONS, users=users)
    for address, said in behaviour.get("rcpt", {}).items():
        server.on("rcpt", reply(said), matching=address)
    if "data" in behaviour:  # but it takes the bounce
        server.on("dot", reply(behaviour["data"]), times=1)
    if "drop_connect" in behaviour:
        server.on("banner", drop(), times=behaviour["drop_connect"])
    return server


def stage(scenario: Scenario, folder: Path, port: int) -> DaemonProcess:
    """Fill the spool, and make our configuration from theirs."""
    lines = [f'MAILDROP_HOME="{folder}"', 'SMTP_HOST="127.0.0.1"', f"SMTP_PORT={port}"]
    extra = "\n".join(scenario.config_extra)
    lines.append(extra.replace(f"@CASES@/{scenario.case}", str(folder)))
    settings = Settings.parse("\n".join(lines), "config")
    for spool in settings.spools:
        Path(spool).mkdir()
    (folder / "var").mkdir()
    for name, content in scenario.spool_before.items():
        path = folder / name if name.count("/") and content else folder / "spool" / name
        if name.endswith("/"):
            path.mkdir()
            continue
        path.write_text(content, newline="")
        at = time.time() - 60  # nobody writes it any more
        os.utime(path, (at, at))
    daemon = DaemonProcess(folder / "ours", port)
    config = folder / "ours" / "maildropd.conf"
    text = alone(settings, Path("password"))
    config.write_text(text.replace("poll_interval", "settle_time = 0\npoll_interval"))
    if settings.has_login:
        password = folder / "ours" / "password"
        password.write_bytes(secret(settings))
        password.chmod(0o600)
    return daemon


def recipients(server: SmtpServer) -> Iterator[str]:
    for taken in server.delivered:
        for each in taken.recipients:
            yield each.partition("<")[2].partition(">")[0] or each


def check_log(folder: Path, wanted: tuple[str, ...]) -> None:
    lines = (folder / "var" / "maildrop.log").read_text().split("\n") if wanted else []
    for words in wanted:
        assert any(line.startswith(words) for line in lines), (words, lines)
    told = [line for line in lines if line and not line.startswith(("###", "!!!!!"))]
    assert len(told) == len(set(told))  # nothing goes round


@pytest.mark.parametrize("scenario", scenarios(), ids=lambda scenario: scenario.case)
def test_nothing_is_lost_and_nothing_goes_round(
    scenario: Scenario, folder: Path
) -> None:
    wanted = RESULTS[scenario.case]
    gone = (*wanted.delivered, *wanted.bounced)
    with smarthost(scenario) as server:
        daemon = stage(scenario, folder, server.port).start()
        try:
            server.wait(lambda s: len(list(recipients(s))) >= len(gone), 30)
            daemon.wait_for("MessageQuarantined", len(wanted.quarantined))
            deferred = daemon.wait_for("RecipientDeferred", len(wanted.deferred))
        finally:
            assert daemon.stop() == 0

    assert sorted(recipients(server)) == sorted(gone)
    assert [each["MAILDROP_RECIPIENT"] for each in deferred] == list(wanted.deferred)
    kept = {name for each in ("spool", "s2") for name in _names(folder / each)}
    assert kept == set(wanted.left)
    aside = {each["MAILDROP_FILE"] for each in daemon.of("MessageQuarantined")}
    assert aside == set(wanted.quarantined)
    check_log(folder, wanted.log)
    _check_content(scenario, server)


def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.exists() else []


def _check_content(scenario: Scenario, server: SmtpServer) -> None:
    """What is not a bounce has the body of a file, octet by octet."""
    bodies = {
        text.replace("\r\n", "\n").split("\n\n", 1)[1].replace("\n", "\r\n").encode()
        for text in scenario.spool_before.values()
        if "\n\n" in text.replace("\r\n", "\n")
    }
    for taken in server.delivered:
        body = taken.content.split(b"\r\n\r\n", 1)[1]
        assert body in bodies or b"multipart/report" in taken.content
