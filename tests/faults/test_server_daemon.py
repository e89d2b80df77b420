# SPDX-License-Identifier: Apache-2.0
"""The worst lines of the table against the real daemon: what it prints and keeps.

The daemons run side by side; each gets a bad server, then a good one.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pytest

from tests.fakes.actions import reply
from tests.fakes.certificates import certificates
from tests.fakes.smtp_server import SmtpServer
from tests.faults.server_acts import LIMIT, LOGIN, PLACES, Scene
from tests.faults.server_table import Row, rows
from tests.integration.daemon import DaemonProcess

WORST = (
    "connect: refuses",
    "banner: hangs",
    "banner: a line of 10 MB",
    "ehlo: lines without end",
    "starttls: is not offered",
    "tls: clear with the 220",
    "tls: expired",
    "auth: 535",
    "mail: drips",
    "ehlo: 421",
    "rcpt: resets",
    "rcpt: 554 relaying",
    "data: binary",
    "data: 550, status of yes",
    "dot kept: closes",
    "dot kept: a line of 10 MB",
    "dot kept: lines without end",
)
MAIL = b"##To:%s\n##From:app@example.org\nSubject: hi\n\nA line.\n"
EVENTS: Mapping[str, str] = {
    "waits": "RouteFailed",
    "alarm": "RouteAlarm",
    "deferred": "RecipientDeferred",
    "in_doubt": "RecipientInDoubt",
    "failed": "RecipientFailed",
}
SOON = 5.0  # seconds
LOOKS = 50
MORE = 20_000  # KiB, over what the daemon takes when it is idle


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a daemon and its server showed."""

    port: int
    event: Mapping[str, str]  # the one that tells of the fault
    listed: Mapping[str, Any]  # the recipient, as maildropctl shows it
    grown: int  # KiB
    good_took: float
    unexpected: tuple[str, ...]
    copies: Counter[str]
    ended: int


def worst() -> list[Row]:
    """Return the lines of the table that are named above."""
    found = [row for row in rows() if str(row) in {f"{w}, pipelined" for w in WORST}]
    assert len(found) == len(WORST)
    return found


@pytest.fixture(scope="module")
def seen(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Future[Seen]]:
    asked = {
        str(item.callspec.params["row"]): cast("Row", item.callspec.params["row"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path == request.path
        and hasattr(item, "callspec")
        and "row" in item.callspec.params
    }
    folder = tmp_path_factory.mktemp("daemons")
    with ThreadPoolExecutor(6) as pool:
        return {
            name: pool.submit(shown, row, folder / f"{number}")
            for number, (name, row) in enumerate(asked.items())
        }


def shown(row: Row, folder: Path) -> Seen:
    """Have a daemon meet a bad server, which then mends its ways."""
    folder.mkdir()
    with Scene(row) as scene:
        daemon = DaemonProcess(folder, scene.server.port)
        (folder / "maildropd.conf").write_text(config(row, scene))
        try:
            daemon.start()
            return met(row, scene, daemon)
        finally:
            daemon.stop()


def met(row: Row, scene: Scene, daemon: DaemonProcess) -> Seen:
    """Send one mail, and when it has come to something another."""
    idle = peak(daemon)
    daemon.put("bob", MAIL % b"bob@example.net")
    [event, *_] = daemon.wait_for(EVENTS[row.becomes])
    recipient = listed(daemon)
    grown = peak(daemon) - idle

    scene.behave()
    begun = monotonic()
    daemon.put("good", MAIL % b"good@example.net")
    if row.becomes == "alarm":
        daemon.control("flush")
    daemon.until(lambda: "good@example.net" in delivered(daemon), "good mail")
    took = monotonic() - begun
    if row.becomes != "failed":
        daemon.control("flush")
        daemon.until(lambda: "bob@example.net" in delivered(daemon), "the first mail")
    return Seen(
        port=scene.server.port,
        event=event,
        listed=recipient,
        grown=grown,
        good_took=took,
        unexpected=tuple(
            each["MESSAGE"]
            for kind in ("InternalError", "LoopStuck", "LeaseLost", "StoreTrouble")
            for each in daemon.of(kind)
        ),
        copies=Counter(r for t in scene.server.delivered for r in t.recipients),
        ended=daemon.stop(),
    )


def listed(daemon: DaemonProcess) -> Mapping[str, Any]:
    """Return the recipient as maildropctl shows it, once an outcome is recorded.

    That a route fails is told at once, and recorded a moment later.
    """
    for _ in range(LOOKS):
        message = json.loads(daemon.control("queue", "--json").stdout)
        recipient: Mapping[str, Any] = message["recipients"][0]
        if recipient["reply"] and not recipient["delivering"]:
            return recipient
    raise AssertionError("no outcome is recorded")


def config(row: Row, scene: Scene) -> str:
    """Write the relay section of a scene as an administrator would."""
    relay = scene.relay()
    timeouts = "".join(
        f"{key} = {getattr(relay, key).total_seconds():g}s\n"
        for key in ("greeting_timeout", "command_timeout", "data_timeout")
    )
    login = ""
    if scene.with_login:
        secret = Path(certificates().folder / "password")
        secret.write_text(LOGIN.password)
        secret.chmod(0o600)
        login = f"username = app\npassword_file = {secret}\nauth_in_clear = yes\n"
    return (
        f"[relay smarthost]\nhost = 127.0.0.1\nport = {relay.port}\n"
        f"tls = {relay.tls}\ntls_ca_file = {relay.tls_ca_file}\n{timeouts}{login}"
        "[queue]\nfirst_retry = 1h\n[spool drop]\nsettle_time = 0\n"
    )


def delivered(daemon: DaemonProcess) -> set[str]:
    return {e["MAILDROP_RECIPIENT"] for e in daemon.of("RecipientDelivered")}


def peak(daemon: DaemonProcess) -> int:
    """Return the most memory that the daemon has used so far, in KiB."""
    text = Path(f"/proc/{daemon.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+)", text)
    assert found
    return int(found[1])


@pytest.mark.parametrize("row", worst(), ids=str)
def test_the_daemon_prints_and_keeps_what_the_table_says(
    row: Row, seen: Mapping[str, Future[Seen]]
) -> None:
    """Bounded in time and memory, and then as good as new."""
    shown = seen[str(row)].result()

    pattern = row.reply.format(
        at=PLACES.get(row.stage),
        limit=f"{LIMIT.total_seconds():g}",
        relay=f"127.0.0.1:{shown.port}",
    )
    told = f"{shown.event['MAILDROP_REPLY'][:3]} {shown.event['MAILDROP_DSN']}"
    assert fnmatchcase(f"{told} {shown.event['MAILDROP_REPLY'][4:]}", pattern)
    kept = shown.listed["reply"]
    assert f"{kept['code']} {kept['text']}" == shown.event["MAILDROP_REPLY"]
    waits = row.becomes in ("waits", "alarm")
    assert shown.listed["attempts"] == (0 if waits else 1)
    assert shown.listed["state"] == (
        "ready" if waits else "failed" if row.becomes == "failed" else "deferred"
    )
    assert shown.grown < MORE
    assert shown.good_took < SOON
    assert shown.unexpected == ()
    first = 0 if row.becomes == "failed" else 2 if row.kept else 1
    assert +shown.copies == +Counter({"bob@example.net": first, "good@example.net": 1})
    assert shown.ended == 0


def test_what_a_server_says_is_one_clean_line_in_the_log_and_the_queue(
    tmp_path: Path,
) -> None:
    """Words of a stranger forged a line of the log, and coloured the terminal."""
    evil = (
        "550-5.1.1 no\x1b[31m such\x07 user\x00\r550 5.0.0 forged: removed",
        "550-5.1.1 \u202egnihton \u2028 \x85 \ufeff\xe4\xf6 \U0001f600",
        "550-5.1.1 to=<root@localhost>, status=delivered (250 ok)",
        "550 5.1.1 " + "x" * 4000,
    )
    with SmtpServer() as server:
        server.on("rcpt", reply(*evil))
        daemon = DaemonProcess(tmp_path, server.port)
        try:
            daemon.start()
            daemon.put("1", MAIL % b"bob@example.net")
            daemon.wait_for("NobodyToTell")  # the report is refused as well
            failed, _ = daemon.of("RecipientFailed")
            listed = daemon.control("queue")
            message = json.loads(daemon.control("queue", "--json").stdout)
            status = daemon.control("status")
        finally:
            daemon.stop()

    kept = message["recipients"][0]["reply"]["text"]
    for text in (failed["MESSAGE"], failed["MAILDROP_REPLY"], kept):
        assert text.isprintable()
        assert len(text) < 700
    assert kept.startswith("no [31m such  user  550 5.0.0 forged: removed")
    for shown in (listed.stdout, status.stdout):
        assert all(line.isprintable() for line in shown.splitlines())
