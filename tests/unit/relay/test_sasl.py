# SPDX-License-Identifier: Apache-2.0
"""What a mechanism says is what its standard has, and it answers no more than that."""

import base64

import pytest

from maildropd.relay.identity import sasl
from maildropd.relay.identity.sasl import Mechanism, NotSasl

USER = b"user@example.com"
TOKEN = b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def test_oauthbearer_says_the_words_of_the_rfc() -> None:
    """RFC 7628 section 4.1."""
    said = sasl.oauthbearer(USER, TOKEN, "server.example.com", 143).initial

    assert base64.b64encode(said or b"") == (
        b"bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQz"
        b"AWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRXVZMjl0Q2c9"
        b"PQEB"
    )


def test_oauthbearer_lets_a_server_end_its_refusal() -> None:
    """RFC 7628 section 4.3."""
    ours = sasl.oauthbearer(USER, b"x", "server.example.com", 143)
    error = b'{"status":"invalid_token","scope":"example_scope"}'

    answer = ours.respond(base64.b64encode(error))

    assert answer is not None
    assert base64.b64encode(answer) == b"AQ=="
    assert ours.trouble == "the server does not take the token (status invalid_token)"
    assert ours.respond(base64.b64encode(error)) is None


def test_xoauth2_says_what_its_servers_expect() -> None:
    ours = sasl.xoauth2(USER, b"ya29.token")

    assert ours.initial == b"user=user@example.com\1auth=Bearer ya29.token\1\1"
    assert ours.respond(base64.b64encode(b'{"status":"400"}')) == b""
    assert ours.trouble.endswith("(status 400)")


@pytest.mark.parametrize(
    "error",
    [b"", b"{}", b'{"status":"<script>"}', b'{"status":"' + b"x" * 400, b"\xff"],
)
def test_an_explanation_that_is_none_is_not_repeated(error: bytes) -> None:
    ours = sasl.xoauth2(USER, TOKEN)

    assert ours.respond(base64.b64encode(error)) == b""
    assert ours.trouble == "the server does not take the token"


def test_a_name_with_signs_of_the_grammar_stays_one_name() -> None:
    said = sasl.oauthbearer(b"a=b,c", b"t", "h", 1).initial

    assert (said or b"").startswith(b"n,a=a=3Db=2Cc,\1")


@pytest.mark.parametrize("rubbish", [b"?", b"=", b"YQ", "\u00e9".encode(), b"YQ==YQ=="])
@pytest.mark.parametrize(
    "ours",
    [sasl.CramMd5(USER, b"x"), sasl.xoauth2(USER, TOKEN)],
    ids=["cram", "bearer"],
)
def test_what_is_no_base64_ends_the_login(ours: Mechanism, rubbish: bytes) -> None:
    with pytest.raises(NotSasl, match="not base64"):
        type(ours).respond(_fresh(ours), rubbish)


def _fresh(ours: Mechanism) -> Mechanism:
    if isinstance(ours, sasl.CramMd5):
        return sasl.CramMd5(USER, b"x")
    return sasl.xoauth2(USER, TOKEN)


@pytest.mark.parametrize(
    ("ours", "answers"),
    [
        (sasl.Plain(b"u", b"p"), [b"\0u\0p"]),
        (sasl.LoginWords(b"u", b"p"), [b"u", b"p"]),
        (sasl.CramMd5(b"tim", b"tanstaaftanstaaf"), None),
    ],
    ids=["plain", "login", "cram"],
)
def test_nothing_more_is_said_than_the_mechanism_has(
    ours: Mechanism, answers: list[bytes] | None
) -> None:
    """RFC 2195 section 2 has the example of CRAM-MD5."""
    challenge = base64.b64encode(b"<1896.697170952@postoffice.reston.mci.net>")
    for expected in answers or [b"tim b913a602c7eda7a495b4e6e7334d3890"]:
        assert ours.respond(challenge) == expected
    assert ours.respond(challenge) is None
