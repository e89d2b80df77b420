# SPDX-License-Identifier: Apache-2.0
"""From the words of an administrator to a mail that went out in a name."""

from dataclasses import replace
from pathlib import Path

import pytest

from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read
from maildropd.daemon.engine import Surroundings
from maildropd.daemon.logins import login_at
from maildropd.host.clock import SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.host.notify import Notifier
from maildropd.relay.identity.login import Login
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from tests.fakes.certificates import certificates
from tests.fakes.journal import FakeJournal
from tests.fakes.relay import alive, delivery
from tests.fakes.smtp_server import SmtpServer
from tests.fakes.token_endpoint import TokenEndpoint


class Patient(FakeJournal):
    """One that has written everything."""

    def catch_up(self) -> bool:
        return True


@pytest.fixture
def around() -> Surroundings:
    clock = SystemClock()
    return Surroundings(
        clock=clock,
        journal=Patient(),
        heartbeats=Heartbeats(clock),
        notifier=Notifier(),
    )


def said(folder: Path, *lines: str) -> Config:
    """Read a configuration whose secrets are there."""
    for name in ("word", "refresh", "secret"):
        (folder / name).touch(0o600)
        (folder / name).write_text(f"the-{name}")
    main = folder / "maildropd.conf"
    main.write_text("\n".join(("[relay smarthost]", *lines)))
    return read(Layout.of_path(main))


def login(config: Config, around: Surroundings) -> Login:
    found = login_at(config.relay, config, around)
    assert found is not None
    return found


def test_without_a_name_there_is_no_login(tmp_path: Path, around: Surroundings) -> None:
    config = said(tmp_path, "host = mx.example")

    assert login_at(config.relay, config, around) is None


def test_a_password_is_read_from_its_file(tmp_path: Path, around: Surroundings) -> None:
    words = ("tls = required", "username = ann", "password_file = word")

    assert login(said(tmp_path, *words), around).password == "the-word"


@pytest.mark.parametrize(
    "words",
    [
        ("password_file = nowhere",),
        (
            "oauth_token_endpoint = https://login.example/",
            "oauth_client_id = us",
            "oauth_refresh_token_file = nowhere",
        ),
    ],
)
def test_a_secret_that_is_not_there_keeps_the_daemon_from_starting(
    tmp_path: Path, around: Surroundings, words: tuple[str, ...]
) -> None:
    config = said(tmp_path, "tls = required", "username = ann", *words)

    with pytest.raises(ConfigErrors, match="nowhere"):
        login(config, around)


def test_mail_goes_out_with_a_token_from_the_endpoint(
    tmp_path: Path, around: Surroundings
) -> None:
    made = certificates()
    users = {"ann@example.org": "token-number-1"}
    with TokenEndpoint() as there, SmtpServer(tls=made.server(), users=users) as server:
        server.manners = replace(server.manners, mechanisms="XOAUTH2 PLAIN")
        config = said(
            tmp_path,
            "host = localhost",
            f"port = {server.port}",
            "tls = required",
            f"tls_ca_file = {made.ca}",
            "username = ann@example.org",
            f"oauth_token_endpoint = {there.url}",
            "oauth_client_id = us",
            "oauth_client_secret_file = secret",
            "oauth_refresh_token_file = refresh",
            "oauth_scope = mail send",
        )
        known = login(config, around)
        who = Identity(config=config.relay, hostname="client.example", login=known)
        way = SmtpTransport(who, around.clock)
        way.attempt(delivery(), alive)
        way.close()

        assert server.delivered[0].user == "ann@example.org"
        assert there.asked[0]["refresh_token"] == "the-refresh"
        assert there.asked[0]["client_secret"] == "the-secret"
        assert there.asked[0]["scope"] == "mail send"
    kept = config.daemon.state_directory / "oauth" / "smarthost.json"
    assert "token-number-1" in kept.read_text()
