# SPDX-License-Identifier: Apache-2.0
"""Routes as they are written, and what is said when they are wrong."""

from pathlib import Path

import pytest

from maildropd.config import route_checks
from maildropd.config.routes import Share
from maildropd.mail.reply import Reply
from tests.unit.config.reading import add_file, mistakes, read_text

RELAYS = "[relay a]\nhost = a\n[relay b]\nhost = b\n[queue]\nrelay = a\n"
ANY = "[route x]\nrecipient = *\n"


def test_routes_keep_the_order_in_which_they_stand(main: Path) -> None:
    add_file(main, "10.conf", "[route c]\nsender=<>\ndiscard=yes\n[route a]\n")

    config = read_text(main, f"{ANY}discard=yes\n[route a]\nsender=*\nmx=yes\n")

    assert [route.name for route in config.routes] == ["x", "a", "c"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("example.net, .example.net", ("example.net", ".example.net")),
        ("bob@  eve@x.org", ("bob@", "eve@x.org")),
        ("/^a{1,2} b@/, *", ("/^a{1,2} b@/", "*")),
        (r"/a\/b/,[192.0.2.1]", (r"/a\/b/", "[192.0.2.1]")),
    ],
)
def test_an_expression_may_hold_commas_and_blanks(
    main: Path, value: str, words: tuple[str, ...]
) -> None:
    config = read_text(main, f"[route x]\nrecipient = {value}\ndiscard = yes\n")

    assert config.routes[0].recipient == words


@pytest.mark.parametrize(
    ("value", "shares"),
    [
        ("a, b", [("a", 0, 1), ("b", 1, 1)]),
        ("a:10 b:10:3", [("a", 10, 1), ("b", 10, 3)]),
    ],
)
def test_relays_are_in_their_order_or_have_a_preference(
    main: Path, value: str, shares: list[tuple[str, int, int]]
) -> None:
    config = read_text(main, f"{RELAYS}{ANY}relay = {value}\n")

    assert list(config.routes[0].relay) == [
        Share(relay=name, preference=preference, weight=weight)
        for name, preference, weight in shares
    ]


@pytest.mark.parametrize(
    ("value", "reply"),
    [
        ("550 5.1.1 no such user", Reply(550, "5.1.1", "no such user")),
        ("450 later", Reply(450, "4.0.0", "later")),
        ("550", Reply(550, "5.0.0", "")),
    ],
)
def test_a_refusal_is_what_a_server_would_say(
    main: Path, value: str, reply: Reply
) -> None:
    assert read_text(main, f"{ANY}error = {value}\n").routes[0].error == reply


WRONG = [
    ("[route]", ":1: [route]: needs a name (try [route inside])"),
    (
        "[route x]\ndiscard = yes",
        ":1: [route x]: recipient: must say for which mail it is (try *)",
    ),
    (
        ANY,
        ":1: [route x]: relay: must say where that mail goes, or mx, or discard",
    ),
    (
        f"{ANY}discard=yes\nmx=yes",
        ':3: discard: "yes" and mx exclude each other',
    ),
    (
        f"{ANY}relay = smarthos",
        (':3: relay: "smarthos" contains smarthos, which is no relay (try smarthost)'),
    ),
    (
        f"{ANY}relay = a:1, b",
        ':3: relay: "a:1, b" gives some a preference and others none (try a:10, b:20)',
    ),
    (f"{ANY}relay = a, a", ':3: relay: "a, a" names a twice'),
    (
        f"{ANY}relay = a:x",
        ':3: relay: "a:x" contains a:x, which is not NAME:PREFERENCE:WEIGHT',
    ),
    (
        f"{ANY}relay = a:1:0",
        ':3: relay: "a:1:0" gives a no weight (leave it out to send it nothing)',
    ),
    (f"{ANY}mx = yse", ':3: mx: "yse" is no [relay NAME] (try yes)'),
    (
        f"{ANY}error = 250 2.0.0 ok",
        ':3: error: "250 2.0.0 ok" is no refusal (try 550 5.1.1 no such user here)',
    ),
    (
        f"{ANY}error = 550 4.1.1 no",
        ':3: error: "550 4.1.1 no" contradicts itself: 550 and 4.1.1',
    ),
    (
        "[route x]\nrecipient = @example.net\ndiscard = yes",
        (
            ':2: recipient: "@example.net" contains @example.net,'
            " which is no address (try example.net)"
        ),
    ),
    (
        "[route x]\nrecipient = <>\ndiscard = yes",
        (':2: recipient: "<>" contains <>, which is nobody (only a sender can be <>)'),
    ),
    (
        "[route x]\nrecipient = /(/\ndiscard = yes",
        (
            ':2: recipient: "/(/" contains /(/, which is no regular expression'
            " (missing ), unterminated subpattern at position 0)"
        ),
    ),
    (
        "[route x]\nrecipient = /bob\ndiscard = yes",
        (
            ':2: recipient: "/bob" contains /bob,'
            " which is an expression without an end (try /^bob@/)"
        ),
    ),
    (
        "[route x]\nrecipient = exa..mple\ndiscard = yes",
        (
            ':2: recipient: "exa..mple" contains exa..mple,'
            " which is no address and no domain (try bob@example.net)"
        ),
    ),
    (
        "[submitter news]\n[route x]\nsubmitter = nwes\ndiscard = yes",
        ':3: submitter: "nwes" contains nwes, which is nobody (try news)',
    ),
    (
        "[route x]\nsubmitter = spool=dorp\ndiscard = yes",
        (
            ':2: submitter: "spool=dorp" contains spool=dorp,'
            " which is nobody (try spool=drop)"
        ),
    ),
    (
        "[relay a]\nsocket = /run/lmtp\nhost = b\ntls = required",
        ':3: host: "b" and socket exclude each other',
    ),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_a_mistake_is_told_with_its_place(
    text: str, complaint: str, main: Path
) -> None:
    assert mistakes(main, text)[0] == f"maildropd.conf{complaint}"


def test_tls_says_that_it_is_of_no_use_with_a_socket(main: Path) -> None:
    text = "[relay a]\nsocket = /run/lmtp\ntls = required\n"

    assert mistakes(main, text) == [
        'maildropd.conf:3: tls: "required" is of no use with a socket (leave it out)'
    ]


@pytest.mark.parametrize(
    ("said", "destination"),
    [
        ("host = h", "h:25"),
        ("host = h\nprotocol = lmtp", "h:24"),
        ("host = h\nprotocol = lmtp\nport = 2003", "h:2003"),
        ("socket = /run/lmtp\nprotocol = lmtp", "unix:/run/lmtp"),
    ],
)
def test_lmtp_has_a_port_of_its_own(main: Path, said: str, destination: str) -> None:
    assert read_text(main, f"[relay a]\n{said}\n").relay.destination == destination


def test_a_host_without_the_library_is_told_before_any_mail_waits(
    main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_checks, "find_spec", lambda _: None)

    [said] = mistakes(main, f"{ANY}mx = yes\n")
    assert said.startswith('maildropd.conf:3: mx: "yes" needs dnspython')
    assert read_text(main, f"{ANY}discard = yes\n").routes
