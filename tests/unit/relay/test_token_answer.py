# SPDX-License-Identifier: Apache-2.0
"""What an OAuth endpoint may say, and what of it is believed and told."""

import json
from datetime import timedelta

import pytest

from maildropd.relay.identity.token_answer import TokenTrouble, understood

SECRETS = ("refresh-me-0123456789", "client-secret-of-ours")
GIVEN = {"access_token": "ya29.abc", "token_type": "Bearer", "expires_in": 3599}


def said(status: int, body: object) -> str:
    """Return the trouble that an answer is."""
    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(TokenTrouble) as caught:
        understood("login.example", status, octets, SECRETS)
    return ("final: " if caught.value.final else "") + str(caught.value)


def test_a_token_comes_with_its_end_and_perhaps_with_a_refresh_token() -> None:
    """RFC 6749 section 5.1."""
    body = json.dumps(GIVEN | {"refresh_token": "newer"}).encode()

    found = understood("login.example", 200, body, SECRETS)

    assert found.token == "ya29.abc"
    assert found.lives == timedelta(seconds=3599)
    assert found.refresh_token == "newer"
    assert "ya29" not in repr(found)
    assert "newer" not in repr(found)


@pytest.mark.parametrize(
    ("seconds", "lives"),
    [
        ("3599", 3599),
        (1.5, 1.5),
        (0, 600),
        (1e-9, 600),
        (-1, 600),
        (None, 600),
        ("soon", 600),
        (float("nan"), 600),
        (float("inf"), 600),
        (10**400, 600),
        (1e300, 3650 * 86400),
        ([], 600),
    ],
)
def test_a_token_without_a_sensible_end_lives_for_a_while(
    seconds: object, lives: float
) -> None:
    body = json.dumps(GIVEN | {"expires_in": seconds}).encode()

    assert understood("h", 200, body, ()).lives == timedelta(seconds=lives)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        {},
        GIVEN | {"access_token": ""},
        GIVEN | {"access_token": 5},
        GIVEN | {"access_token": "two words"},
        GIVEN | {"access_token": "line\r\nMAIL FROM:<>"},
        GIVEN | {"access_token": "x" * 8193},
        GIVEN | {"access_token": "\u00e9"},
        GIVEN | {"token_type": "mac"},
        GIVEN | {"token_type": 1},
        GIVEN | {"refresh_token": "two words"},
        GIVEN | {"error": "temporarily_unavailable"},
    ],
)
def test_what_is_no_token_is_asked_for_again(body: object) -> None:
    told = said(200, body)

    assert told.startswith("login.example: ")
    assert "MAIL" not in told


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (
            400,
            {"error": "invalid_grant", "error_description": "AADSTS70008: it ended"},
            (
                "final: login.example: invalid_grant, AADSTS70008: it ended"
                " (log in anew, and put in the refresh token that you get)"
            ),
        ),
        (
            401,
            {"error": "invalid_client"},
            (
                "final: login.example: invalid_client (see oauth_client_id and the"
                " client's secret, which may have ended)"
            ),
        ),
        (400, {"error": "slow_down"}, "login.example: slow_down"),
        (503, {"error": "invalid_grant"}, "login.example: invalid_grant"),
        (500, b"oops", "login.example: answers 500, and no JSON"),
        (302, {}, "login.example: answers 302, and no token"),
        (400, {"error": "<b>"}, "login.example: answers 400, and no token"),
        (400, {"error": 5}, "login.example: answers 400, and no token"),
    ],
)
def test_what_only_a_person_can_mend_says_how(
    status: int, body: object, told: str
) -> None:
    """RFC 6749 section 5.2."""
    assert said(status, body) == told


@pytest.mark.parametrize("secret", SECRETS)
def test_words_that_repeat_a_secret_are_not_told(secret: str) -> None:
    words = f"the token {secret.upper()[2:]} is wrong"
    told = said(400, {"error": "invalid_grant", "error_description": words})

    assert "wrong" not in told
    assert told.startswith("final: login.example: invalid_grant (log in")


def test_words_for_a_terminal_are_made_harmless() -> None:
    words = "a\x1b[2J\r\nb" + "c" * 1000
    told = said(400, {"error": "slow_down", "error_description": words})

    assert told.isprintable()
    assert len(told) < 300
