# SPDX-License-Identifier: Apache-2.0
"""A token proves who we are; what a server says about it is understood."""

import base64
import traceback
from dataclasses import replace

import pytest

from maildropd.config.relay import Auth, Tls
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.relay.identity.login import Login
from tests.fakes.actions import reply
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer
from tests.fakes.tokens import FixedToken

TOKEN = "ya29.a0AfH6SMBx-token-of-the-day"
USERS = {"ann@example.org": TOKEN}


def token_server(offered: str = "XOAUTH2 OAUTHBEARER PLAIN") -> SmtpServer:
    server = SmtpServer(users=USERS)
    server.manners = replace(server.manners, mechanisms=offered)
    return server


def send(server: SmtpServer, tokens: FixedToken, **changes: object) -> None:
    login = Login(username="ann@example.org", tokens=tokens)
    way = transport(
        server, login, **({"auth_in_clear": True, "tls": Tls.NONE} | changes)
    )
    try:
        way.attempt(delivery(), alive)
    finally:
        way.close()


def mechanisms(server: SmtpServer) -> list[bytes]:
    return [line.split()[1] for line in server.heard if line.startswith(b"AUTH ")]


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ("XOAUTH2 OAUTHBEARER PLAIN", b"OAUTHBEARER"),
        ("PLAIN LOGIN XOAUTH2", b"XOAUTH2"),
    ],
)
def test_the_standard_is_spoken_where_the_server_has_it(
    offered: str, taken: bytes
) -> None:
    with token_server(offered) as server:
        send(server, FixedToken(TOKEN))

        assert mechanisms(server) == [taken]
        assert [each.user for each in server.delivered] == ["ann@example.org"]


def test_a_token_is_never_said_as_a_password() -> None:
    with token_server("PLAIN LOGIN SCRAM-SHA-256") as server:
        with pytest.raises(
            RouteMisconfigured, match=r"none of .* oauthbearer, xoauth2"
        ):
            send(server, FixedToken(TOKEN))

        assert "AUTH" not in server.verbs()


@pytest.mark.parametrize("auth", [Auth.XOAUTH2, Auth.OAUTHBEARER])
def test_no_token_goes_over_a_connection_in_clear(auth: Auth) -> None:
    with token_server() as server:
        with pytest.raises(RouteMisconfigured, match="auth_in_clear"):
            send(server, FixedToken(TOKEN), auth=auth, auth_in_clear=False)

        assert "AUTH" not in server.verbs()


@pytest.mark.parametrize("auth", [Auth.XOAUTH2, Auth.OAUTHBEARER])
def test_a_refusal_is_heard_to_its_end(auth: Auth) -> None:
    """334 with an explanation, our dummy answer, and only then the 535."""
    with token_server() as server:
        with pytest.raises(RouteMisconfigured) as caught:
            send(server, FixedToken("stale"), auth=auth)

        dummy = b"\r\n" if auth is Auth.XOAUTH2 else b"AQ==\r\n"
        assert server.heard[2] == dummy
    assert caught.value.reply.code == 535
    assert "authentication failed (the server does not take the token" in str(
        caught.value
    )
    assert "(status 401)" in str(caught.value)
    assert "https" not in str(caught.value)


@pytest.mark.parametrize("auth", [Auth.XOAUTH2, Auth.OAUTHBEARER])
def test_a_token_that_went_stale_too_early_is_replaced_at_once(auth: Auth) -> None:
    tokens = FixedToken("stale", TOKEN)
    with token_server() as server:
        send(server, tokens, auth=auth)

        assert len(mechanisms(server)) == 2
        assert server.delivered
    assert tokens.told == ["stale"]


def test_two_refusals_are_enough() -> None:
    tokens = FixedToken("stale", "staler", "stalest", "dust")
    with token_server() as server:
        with pytest.raises(RouteMisconfigured):
            send(server, tokens)

        assert len(mechanisms(server)) == 2


def test_a_server_that_is_down_says_nothing_about_the_token() -> None:
    tokens = FixedToken("stale", TOKEN)
    with token_server() as server:
        server.on("auth", reply("454 4.7.0 directory is down"))
        with pytest.raises(RouteError, match="directory is down") as caught:
            send(server, tokens)

    assert not isinstance(caught.value, RouteMisconfigured)
    assert tokens.told == []


def _echoes() -> list[str]:
    whole = f"user=ann@example.org\1auth=Bearer {TOKEN}\1\1".encode()
    others = [f"{before}{TOKEN}".encode() for before in ("", "a", "an")]
    encoded = [base64.b64encode(each).decode() for each in (whole, *others)]
    return [TOKEN, TOKEN[4:20], encoded[0][40:70], *encoded[1:]]


@pytest.mark.parametrize("echo", _echoes())
def test_a_server_that_repeats_the_token_is_not_quoted(echo: str) -> None:
    with token_server() as server:
        server.on("auth", reply(f"535 5.7.8 wrong: {echo}"))
        with pytest.raises(RouteError) as caught:
            send(server, FixedToken(TOKEN), auth=Auth.XOAUTH2)

    assert echo not in "".join(traceback.format_exception(caught.value))
    assert "withheld" in str(caught.value.reply)


def test_a_login_does_not_show_its_tokens() -> None:
    assert "Token" not in repr(Login(username="ann", tokens=FixedToken(TOKEN)))
