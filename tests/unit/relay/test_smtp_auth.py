# SPDX-License-Identifier: Apache-2.0
"""We prove who we are, to whom we should, and nobody else learns the secret."""

import base64
import traceback

import pytest

from maildropd.config.relay import Auth, Tls
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.relay.identity.login import Login
from tests.fakes.actions import Action, raw, reply, usual
from tests.fakes.certificates import certificates
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

SECRET = "gehéim 5ecret"
LOGIN = Login(username="jürgen", password=SECRET)
USERS = {"jürgen": SECRET}
EHLO = "250-fake.example"
SAID = [Auth.AUTO, Auth.PLAIN, Auth.LOGIN, Auth.CRAM_MD5]  # others: test_smtp_scram


def clear(server: SmtpServer, **changes: object) -> None:
    way = transport(server, LOGIN, **({"auth_in_clear": True} | changes))
    way.attempt(delivery(), alive)
    way.close()


def encrypted(server: SmtpServer, **changes: object) -> None:
    way = transport(
        server, LOGIN, tls=Tls.REQUIRED, tls_ca_file=certificates().ca, **changes
    )
    way.attempt(delivery(), alive)
    way.close()


def mechanism(server: SmtpServer) -> bytes:
    [line] = [line for line in server.heard if line.upper().startswith(b"AUTH ")]
    return line.split()[1]


@pytest.mark.parametrize("auth", SAID)
def test_every_mechanism_proves_a_user_beyond_ascii(auth: Auth) -> None:
    with SmtpServer(users=USERS) as server:
        clear(server, auth=auth)

        assert [taken.user for taken in server.delivered] == ["jürgen"]


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ("PLAIN LOGIN CRAM-MD5", b"PLAIN"),
        ("LOGIN CRAM-MD5", b"LOGIN"),
        ("CRAM-MD5 GSSAPI", b"CRAM-MD5"),
    ],
)
def test_under_tls_the_password_itself_is_best(offered: str, taken: bytes) -> None:
    tls = certificates().server()
    with SmtpServer(users=USERS, tls=tls) as server:
        server.on("ehlo", usual(), times=1)
        server.on("ehlo", reply(EHLO, f"250 AUTH {offered}"))
        encrypted(server)

        assert mechanism(server) == taken
        assert server.delivered[0].encrypted


def test_in_clear_the_password_is_said_last_of_all() -> None:
    with SmtpServer(users=USERS) as server:
        clear(server)

        assert mechanism(server) == b"CRAM-MD5"


def test_an_old_server_that_writes_auth_with_an_equals_sign_is_understood() -> None:
    with SmtpServer(users=USERS) as server:
        server.on("ehlo", reply(EHLO, "250 AUTH=LOGIN"))
        clear(server)

        assert mechanism(server) == b"LOGIN"


@pytest.mark.parametrize("auth", list(Auth))
def test_no_secret_goes_over_a_connection_in_clear(auth: Auth) -> None:
    with SmtpServer(users=USERS) as server:
        with pytest.raises(RouteMisconfigured, match="auth_in_clear"):
            clear(server, auth=auth, auth_in_clear=False)

        assert "AUTH" not in server.verbs()


def test_no_secret_goes_out_when_somebody_hides_starttls() -> None:
    with SmtpServer(users=USERS) as server:
        with pytest.raises(RouteMisconfigured, match="auth_in_clear"):
            clear(server, tls=Tls.OPPORTUNISTIC, auth_in_clear=False)

        assert "AUTH" not in server.verbs()


def test_a_server_without_auth_is_not_used_as_if_we_had_logged_in() -> None:
    with SmtpServer() as server, pytest.raises(RouteMisconfigured, match="not offer"):
        clear(server)


def test_auth_that_vanishes_after_starttls_is_not_offered() -> None:
    with SmtpServer(users=USERS, tls=certificates().server()) as server:
        server.on("ehlo", usual(), times=1)
        server.on("ehlo", reply("250 fake.example"))
        with pytest.raises(RouteMisconfigured, match="does not offer AUTH"):
            encrypted(server)


def test_a_mechanism_that_was_demanded_is_not_replaced() -> None:
    with SmtpServer(users=USERS) as server:
        server.on("ehlo", reply(EHLO, "250 AUTH LOGIN PLAIN"))
        with pytest.raises(RouteMisconfigured, match=r"none of .* cram-md5"):
            clear(server, auth=Auth.CRAM_MD5)


@pytest.mark.parametrize("auth", SAID)
def test_a_wrong_password_is_the_admins_to_mend(auth: Auth) -> None:
    with SmtpServer(users={"jürgen": "another"}) as server:
        with pytest.raises(RouteMisconfigured) as caught:
            clear(server, auth=auth)

        assert "MAIL" not in server.verbs()
    assert caught.value.reply.code == 535
    assert caught.value.reply.status == "5.7.8"


@pytest.mark.parametrize(
    ("action", "misconfigured", "text"),
    [
        (reply("454 4.7.0 directory is down"), False, "directory is down"),
        (reply("421 4.3.2 closing"), False, "closing"),
        (reply("534 5.7.9 too weak"), True, "too weak"),
        (reply("503 5.5.1 what?"), True, "what?"),
        (reply("250 ok"), False, "no end of AUTH"),
        (reply("334 bW9yZQ=="), False, "no end of AUTH"),
        (reply("garbage"), False, "not a reply"),
    ],
)
@pytest.mark.parametrize("auth", [Auth.PLAIN, Auth.LOGIN])
def test_what_a_server_says_to_auth_tells_who_can_mend_it(
    auth: Auth, action: Action, text: str, *, misconfigured: bool
) -> None:
    with SmtpServer(users=USERS) as server:
        server.on("auth", action)
        server.on("unknown", reply("334 bW9yZQ=="))
        with pytest.raises(RouteError, match=text.replace("?", ".")) as caught:
            clear(server, auth=auth)

    assert isinstance(caught.value, RouteMisconfigured) is misconfigured


def test_a_challenge_that_is_no_base64_is_not_answered() -> None:
    with SmtpServer(users=USERS) as server:
        server.on("auth", reply("334 ?"))
        with pytest.raises(RouteError, match="not base64"):
            clear(server, auth=Auth.CRAM_MD5)


def test_plain_is_said_again_to_a_server_that_asks_for_it() -> None:
    """Some want it as an answer only, although RFC 4954 lets us say it at once."""
    with SmtpServer(users=USERS) as server:
        server.on("auth", reply("334 "))
        server.on("unknown", reply("235 2.7.0 welcome"))
        clear(server, auth=Auth.PLAIN)

        said = [line.split()[-1] for line in server.heard[1:3]]
        assert said[0] == said[1]
        assert server.delivered


def _secrets() -> list[str]:
    token = f"\0{LOGIN.username}\0{SECRET}".encode()
    encoded = [SECRET.encode(), token]
    return [SECRET, *(base64.b64encode(octets).decode() for octets in encoded)]


def _parts() -> list[str]:
    """What of them a server may repeat: all, the beginning, in capitals."""
    return [part for each in _secrets() for part in (each, each[:-2], each.upper())]


@pytest.mark.parametrize("echo", _parts())
@pytest.mark.parametrize("code", [454, 535])
def test_a_server_that_repeats_the_secret_is_not_quoted(echo: str, code: int) -> None:
    with SmtpServer(users=USERS) as server:
        server.on("auth", reply(f"{code} wrong: {echo}"))
        with pytest.raises(RouteError) as caught:
            clear(server, auth=Auth.PLAIN)

    told = "".join(traceback.format_exception(caught.value))
    assert not [part for part in _parts() if part in told]
    assert "withheld" in str(caught.value.reply)


@pytest.mark.parametrize("echo", _secrets())
def test_what_is_no_reply_to_auth_is_not_quoted(echo: str) -> None:
    with SmtpServer(users=USERS) as server:
        server.on("auth", raw(f"AUTH PLAIN {echo}\r\n".encode()))
        with pytest.raises(RouteError, match="not a reply") as caught:
            clear(server, auth=Auth.PLAIN)

    told = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in _secrets() if secret[:10] in told]


def test_a_login_does_not_show_its_password() -> None:
    assert SECRET not in repr(LOGIN)
    assert "jürgen" in repr(LOGIN)
