# SPDX-License-Identifier: Apache-2.0
"""The daemon gets its tokens, keeps them, and lets mail wait where it gets none."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.fakes.token_endpoint import TokenEndpoint, answer
from tests.integration.daemon import DaemonProcess

NAME = "ann@example.org"
REFUSED = {"error": "invalid_grant", "error_description": "AADSTS70008: it has ended"}
MAIL = b"##To:bob@example.net\n##From:ann@example.org\nSubject: hello\n\nA line.\n"


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as found:
        found.newer = "refresh"
        yield found


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer(users={NAME: "token-number-1"}) as found:
        found.manners = replace(found.manners, mechanisms="XOAUTH2 PLAIN")
        yield found


@pytest.fixture
def daemon(
    tmp_path: Path, server: SmtpServer, endpoint: TokenEndpoint
) -> Iterator[DaemonProcess]:
    secret = tmp_path / "first"
    secret.touch(0o600)
    secret.write_text("the-first-refresh-token")
    made = DaemonProcess(tmp_path, server.port)
    made.configure(
        "[relay smarthost]\nauth_in_clear = yes\n"
        f"username = {NAME}\noauth_token_endpoint = {endpoint.url}\n"
        "oauth_client_id = us\noauth_refresh_token_file = first\n"
    )
    yield made
    made.stop()


def test_a_token_outlives_the_daemon(
    daemon: DaemonProcess, server: SmtpServer, endpoint: TokenEndpoint
) -> None:
    for number in (1, 2):
        daemon.start()
        daemon.put(f"{number}", MAIL)
        daemon.wait_for("MessageDone", number)
        daemon.kill()

    assert [taken.user for taken in server.delivered] == [NAME, NAME]
    assert [form["refresh_token"] for form in endpoint.asked] == [
        "the-first-refresh-token"
    ]
    state = daemon.folder / "state" / "oauth" / "smarthost.json"
    assert stat.S_IMODE(state.stat().st_mode) == 0o600
    assert json.loads(state.read_text())["refresh_token"] == "refresh-1"


def test_mail_waits_until_somebody_has_logged_in_anew(
    daemon: DaemonProcess, server: SmtpServer, endpoint: TokenEndpoint
) -> None:
    endpoint.reactions = [answer(400, REFUSED)]
    daemon.start()
    daemon.put("1", MAIL)
    [alarm] = daemon.wait_for("RouteAlarm")

    assert "AADSTS70008: it has ended (log in anew" in alarm["MAILDROP_REPLY"]
    assert not server.delivered
    assert "RecipientFailed" not in alarm["MESSAGE"]

    server.manners = replace(server.manners, users={NAME: "token-number-2"})
    (daemon.folder / "first").write_text("the-second-refresh-token")
    daemon.stop()
    daemon.start()
    daemon.wait_for("MessageDone")
    daemon.stop()

    assert endpoint.asked[-1]["refresh_token"] == "the-second-refresh-token"
    told = "".join(json.dumps(event) for event in daemon.events)
    assert "refresh-token" not in told
    assert "token-number" not in told
