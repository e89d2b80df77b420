# SPDX-License-Identifier: Apache-2.0
"""Secrets go to the endpoint that is meant, and it cannot hold us up."""

import socket
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from maildropd.relay.identity import token_request
from maildropd.relay.identity.token_answer import TokenTrouble
from maildropd.relay.identity.token_request import Endpoint
from tests.fakes.certificates import certificates
from tests.fakes.token_endpoint import Reaction, TokenEndpoint, answer, raw

_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OURS = ("client-secret-of-ours", "refresh-me-0123456789")


@pytest.fixture
def there() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as found:
        yield found


def endpoint(there: TokenEndpoint, **changes: object) -> Endpoint:
    words: dict[str, object] = {"client_id": "us", "client_secret": OURS[0]}
    return Endpoint(url=there.url, **(words | changes))  # type: ignore[arg-type]  # any


def test_a_refresh_token_is_exchanged_for_an_access_token(
    there: TokenEndpoint,
) -> None:
    there.newer = "newer"

    found = endpoint(there, scope="a b").ask(OURS[1])

    assert found.token == "token-number-1"
    assert found.refresh_token == "newer-1"
    assert there.asked == [
        {
            "grant_type": "refresh_token",
            "client_id": "us",
            "client_secret": OURS[0],
            "refresh_token": OURS[1],
            "scope": "a b",
        }
    ]
    assert there.heads[0].startswith("POST /token?api=2 HTTP/1.1\r\nHost: localhost:")


def test_a_program_may_be_known_by_its_own_secret(there: TokenEndpoint) -> None:
    endpoint(there).ask("")

    assert there.asked[0]["grant_type"] == "client_credentials"
    assert "refresh_token" not in there.asked[0]


def test_the_endpoint_shows_a_certificate() -> None:
    made = certificates()
    with TokenEndpoint(made.server()) as there:
        assert endpoint(there, ca_file=made.ca).ask(OURS[1]).token


@pytest.mark.parametrize("kind", ["expired", "wrong-name", "self-signed"])
def test_no_secret_goes_to_an_impostor(kind: str) -> None:
    made = certificates()
    with TokenEndpoint(made.server(kind)) as there:
        with pytest.raises(TokenTrouble, match="certificate not accepted"):
            endpoint(there, ca_file=made.ca).ask(OURS[1])

        assert not there.asked


def test_authorities_that_cannot_be_read_are_the_admins_to_mend() -> None:
    missing = Path("/nonexistent/ca.pem")
    with (
        TokenEndpoint(certificates().server()) as there,
        pytest.raises(TokenTrouble, match="oauth_ca_file /nonex") as caught,
    ):
        endpoint(there, ca_file=missing).ask(OURS[1])

    assert caught.value.final


def _large() -> Reaction:
    return answer(200, b" " * 200_000)


def _many_lines() -> Reaction:
    return raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n")


@pytest.mark.parametrize(
    ("reaction", "why"),
    [
        (raw(b""), "closed connection"),
        (raw(b"garbage\r\n\r\n"), "HTTP"),
        (raw(b"220 mail.example ESMTP\r\n"), "HTTP"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"), "no JSON"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n{" % 10**18), "no JSON"),
        (raw(_CHUNKED + b"f" * 60 + b"\r\n{"), "HTTP|no JSON"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "HTTP"),
        (_many_lines(), "HTTP"),
        (raw(b"HTTP/1.1 200 " + b"x" * 70_000), "HTTP"),
        (_large(), "too long"),
        (answer(302, b"", "Location: http://elsewhere.example/"), "302"),
        (answer(401, {"error": "invalid_client"}), "invalid_client"),
        (answer(200, b"not json"), "no JSON"),
    ],
)
def test_an_answer_that_is_none_is_told_without_our_secrets(
    there: TokenEndpoint, reaction: Reaction, why: str
) -> None:
    there.reactions = [reaction]

    with pytest.raises(TokenTrouble, match=why) as caught:
        endpoint(there).ask(OURS[1])

    told = "".join(traceback.format_exception(caught.value))
    assert not any(secret in told for secret in OURS)


def _drip(there: TokenEndpoint) -> Reaction:
    def react(sock: socket.socket) -> None:
        while not there.stopping.wait(0.02):
            sock.sendall(b"HTTP/1.1 200 OK\r\n"[:1])

    return react


def test_an_answer_that_drips_is_given_up(
    there: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However steadily its octets come."""
    monkeypatch.setattr(token_request, "LIMIT", 0.2)
    there.reactions = [_drip(there)]

    with pytest.raises(TokenTrouble, match="no answer in time"):
        endpoint(there).ask(OURS[1])


def test_an_answer_in_pieces_is_one(there: TokenEndpoint) -> None:
    octets = b'{"access_token":"abc","expires_in":60}'
    chunks = b"".join(b"%x\r\n%b\r\n" % (1, octets[at : at + 1]) for at in range(38))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    there.reactions = [raw(head + chunks + b"0\r\n\r\n")]

    assert endpoint(there).ask(OURS[1]).token == "abc"


def test_nobody_at_home_is_told_with_the_name_alone() -> None:
    with TokenEndpoint() as there:
        pass

    with pytest.raises(TokenTrouble, match=r"^localhost: Connection refused$"):
        endpoint(there).ask(OURS[1])


def test_an_endpoint_does_not_show_its_secret(there: TokenEndpoint) -> None:
    assert OURS[0] not in repr(endpoint(there))
