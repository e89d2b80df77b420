# SPDX-License-Identifier: Apache-2.0
"""Every mistake is told, with its place and what was probably meant."""

import time
from pathlib import Path

import pytest

from tests.unit.config.reading import add_file, mistakes, read_text

WRONG = [
    # what is no line
    ("x = 1", ":1: x: stands before any [section]"),
    ("[queue]\nfoo", ":2: foo: not of the form key = value"),
    ("[queue", ":1: [queue is not a section (try [relay NAME])"),
    ("[]\nx=1", ":1: [] is not a section (try [relay NAME])"),
    (
        "[spool drop]\n[submitter s]\nspool = drop drpo",
        ':3: spool: "drop drpo" names no [spool drpo] (try drop)',
    ),
    ("[queue] x = 1", ":1: [queue]: more follows in its line"),
    (b"[queue]\nx = \xff", ":2: is not UTF-8"),
    (b"[relay a]\nhost = a\0b", ":2: contains a control character"),
    (b"[re\x1b[2Jlay a]\nhost = a", ":1: contains a control character"),
    # what is no section
    ("[quee]\nfirst_retry = x", ":1: [quee]: unknown section (try queue)"),
    ("[queue main]", ":1: [queue main]: takes no name (try [queue])"),
    ("[spool]", ":1: [spool]: needs a name (try [spool drop])"),
    ("[relay]", ":1: [relay]: needs a name (try [relay smarthost])"),
    (
        "[spool ../x]",
        ":1: [spool ../x]: the name is not a name (letters, digits, and _ . - within)",
    ),
    (
        "[relay a]\nhost=a\n[relay b]\nhost=b",
        ": [queue]: relay: must name one of a, b",
    ),
    # what is no key
    (
        "[queue]\nfirst_try = 1s",
        ":2: first_try: unknown key in [queue] (try first_retry)",
    ),
    (
        "[queue]\nusername = a",
        ":2: username: unknown key in [queue] (it belongs into [relay])",
    ),
    ("[queue]\nxyz = a", ":2: xyz: unknown key in [queue]"),
    ("[spool a]\nname = b\npath=/a", ":2: name: unknown key in [spool a]"),
    (
        "[queue]\nfirst_retry = 1s\nfirst_retry = 1s",
        ":3: first_retry: is already set in line 2",
    ),
    # what is no value
    (
        "[queue]\ngive_up_after = 5x",
        ':2: give_up_after: "5x" is not a duration (try 5min)',
    ),
    ("[queue]\nfirst_retry = 0", ':2: first_retry: "0" must be more than 0'),
    ("[relay a]\nport = 65536", ':2: port: "65536" is not between 0 and 65535'),
    (
        "[relay a]\nmax_connections = 0",
        ':2: max_connections: "0" is not between 1 and 100',
    ),
    (
        "[relay a]\nhost = mx  # the old one",
        (
            ':2: host: "mx  # the old one" '
            "ends in a comment, which needs a line of its own"
        ),
    ),
    # what does not fit together
    (
        "[queue]\nfirst_retry = 5h",
        ':2: first_retry: "5h" is longer than slowest_retry (4h)',
    ),
    (
        "[queue]\nslowest_retry = 1min",
        ':2: slowest_retry: "1min" is shorter than first_retry',
    ),
    (
        "[queue]\ngive_up_after = 5min",
        ':2: give_up_after: "5min" is not longer than first_retry',
    ),
    ("[spool a]", ":1: [spool a]: path: has no default, say which folder"),
    (
        "[spool a]\npath=/a\n[spool b]\npath=/x/../a",
        ':4: path: "/x/../a" is also the path of [spool a]',
    ),
    (
        "[spool a]\npath=/a\nquarantine=/a/q",
        ':3: quarantine: "/a/q" is inside the drop of [spool a]',
    ),
    (
        "[daemon]\nstate_directory=/a\n[spool a]\npath=/a",
        ':4: path: "/a" is the state_directory of [daemon]',
    ),
    (
        "[relay a]\nusername = alice",
        ':2: username: "alice" needs password_credential or password_file',
    ),
    ("[relay a]\npassword_file = p", ":2: password_file: the value needs username"),
    (
        "[relay a]\ntls = required\ntls_fingerprint = abc",
        (
            ':3: tls_fingerprint: "abc" contains abc, which is no fingerprint'
            " (try sha256: and 64 digits)"
        ),
    ),
    (
        f"[relay a]\ntls_fingerprint = sha256:{'a0' * 32}",
        f':2: tls_fingerprint: "sha256:{"a0" * 32}" needs tls = required or implicit',
    ),
    (
        "[relay a]\noauth_token_endpoint = http://login.example/",
        (
            ':2: oauth_token_endpoint: "http://login.example/" does not begin with'
            " https:// (secrets are sent there)"
        ),
    ),
    (
        "[relay a]\ntls = required\nusername = u\npassword_file = p\nauth = xoauth2",
        (
            ':5: auth: "xoauth2" takes no password (try oauth_token_endpoint or'
            " token_file)"
        ),
    ),
    (
        "[relay a]\ntls = required\nusername = u\ntoken_file = t\nauth = plain",
        ':5: auth: "plain" takes no token (try auto)',
    ),
    ("[relay a]\ntoken_file = t", ':2: token_file: "t" needs username'),
    (
        "[relay a]\ntls = required\nusername = u\ntoken_file = t\npassword_file = p",
        ':4: token_file: "t" and a password exclude each other',
    ),
    ("[relay a]\noauth_scope = s", ':2: oauth_scope: "s" needs oauth_token_endpoint'),
    ("[relay a]\ntls_key = /k", ':2: tls_key: "/k" needs tls_certificate'),
    (
        "[relay a]\ntls_certificate = /c\ntls_certificate_credential = c",
        ':2: tls_certificate: "/c" and tls_certificate_credential exclude each other',
    ),
    (
        "[relay a]\ntls = none\ntls_certificate_credential = c",
        ':3: tls_certificate_credential: "c" is shown in TLS only',
    ),
    (
        "[relay a]\nusername=a\npassword_file=p\npassword_credential=c",
        ":3: password_file: the value and password_credential exclude each other",
    ),
    (
        "[relay a]\ntls=none\nusername=a\npassword_file=p",
        ':2: tls: "none" never sends a password in clear (try required)',
    ),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_a_mistake_is_told_with_its_place(
    text: str | bytes, complaint: str, main: Path
) -> None:
    complaint = complaint.replace("FILE", str(main))

    assert mistakes(main, text) == [f"maildropd.conf{complaint}"]


def test_first_retry_is_held_against_the_default_of_give_up_after(main: Path) -> None:
    text = "[queue]\nfirst_retry = 5d\nslowest_retry = 6d"

    assert mistakes(main, text) == [
        'maildropd.conf:2: first_retry: "5d" is not shorter than give_up_after'
    ]


def test_all_mistakes_are_told_at_once_in_order(main: Path) -> None:
    add_file(main, "10.conf", "[relay a]\nport = x\n[quee]\n")

    wrong = mistakes(main, "[queue]\nfirst_retry = x\n[relay a]\ntls = ssl\nhots = a\n")

    assert [line.partition(" ")[0] for line in wrong] == [
        "maildropd.conf:2:",
        "maildropd.conf:4:",
        "maildropd.conf:5:",
        "maildropd.conf.d/10.conf:2:",
        "maildropd.conf.d/10.conf:3:",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "password = hunter2",
        "passwrod = hunter2",
        "password hunter2",
        "password_credential = hunter2!",
        "password_credential = 'hunter2'",
        "password_file = ~hunter2",
        "port = 25 \\\npassword = hunter2",
        "[relay b] password = hunter2",
        "[relay b] \\\npassword = hunter2",
        "[relay \\\npassword = hunter2",
    ],
)
def test_a_secret_is_never_repeated(text: str, main: Path) -> None:
    """Mistakes go into the journal, and onto the screen of whoever asks."""
    (line,) = mistakes(main, f"[relay a]\n{text}\n")

    assert "hunter2" not in line


def test_a_password_is_told_where_it_belongs(main: Path) -> None:
    (line,) = mistakes(main, "[relay a]\npassword = hunter2")

    assert "(try password_credential or password_file)" in line
    assert "everybody" not in line


def test_a_password_that_everybody_can_read_has_to_be_changed(main: Path) -> None:
    main.chmod(0o644)

    (line,) = mistakes(main, "[relay a]\npassword = hunter2")

    assert line.endswith(
        "everybody on this host can read this file: change the password"
    )


def test_lines_after_a_section_that_is_none_are_passed_over(main: Path) -> None:
    """One mistake, one complaint."""
    wrong = mistakes(main, "[queue\nfirst_try = x\njust words\n[relay a]\nport = x\n")

    assert [line.partition(": ")[0] for line in wrong] == [
        "maildropd.conf:1",
        "maildropd.conf:5",
    ]


def test_the_state_directory_is_held_against_the_default_drop(main: Path) -> None:
    wrong = mistakes(main, "[daemon]\nstate_directory = drop\n")

    assert wrong == [
        "maildropd.conf: [spool drop]: path: is the state_directory of [daemon]"
    ]


def test_the_same_mistake_is_told_once(main: Path) -> None:
    wrong = mistakes(main, "[spool a]\npath = ~/x\n")

    assert wrong == [
        'maildropd.conf:2: path: "~/x" begins with ~, which means nothing to a daemon'
    ]


def test_a_value_as_long_as_its_file_is_not_told_in_full(main: Path) -> None:
    """A mistake is one line of a log, also where a line end was forgotten."""
    (told,) = mistakes(main, "[queue]\nfirst_retry = " + "5x" * 100_000)

    assert told.startswith('maildropd.conf:2: first_retry: "5x5x')
    assert told.endswith("...")
    assert len(told) < 400


def test_twenty_thousand_spools_are_read_in_seconds(main: Path) -> None:
    """Each was held against each other one: a reload stood still for an hour."""
    text = "".join(f"[spool s{n}]\npath=s{n}\n" for n in range(20_000))

    began = time.process_time()
    config = read_text(main, text)

    assert len(config.spools) == 20_000
    assert time.process_time() - began < 30


def test_thousands_of_relays_are_told_in_seconds(main: Path) -> None:
    text = "".join(f"[relay r{n}]\nport=1\n" for n in range(30_000))

    began = time.process_time()

    (mistake,) = mistakes(main, text)

    assert "relay: must name one of r0, r1," in mistake
    assert time.process_time() - began < 30


OAUTH = """[relay a]
tls = required
username = u
oauth_token_endpoint = https://login.example/token
"""
CLIENT = "oauth_client_id = us\noauth_client_secret_file = s\n"
REFRESH = "oauth_refresh_token_file = r\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (REFRESH, "needs oauth_client_id"),
        (CLIENT, "needs oauth_refresh_token_credential or ..._file"),
        (CLIENT + REFRESH + "token_file = t\n", "exclude each other"),
        (CLIENT + REFRESH + "oauth_client_secret_credential = c\n", "exclude each"),
        (CLIENT + REFRESH + "oauth_refresh_token_credential = c\n", "exclude each"),
        (CLIENT + REFRESH + "oauth_grant = client_credentials\n", "has no refresh"),
        (
            "oauth_client_id = us\noauth_grant = client_credentials\n",
            "needs oauth_client_secret_credential or ..._file",
        ),
    ],
)
def test_what_is_missing_for_tokens_is_told(main: Path, text: str, told: str) -> None:
    (line,) = mistakes(main, OAUTH + text)

    assert told in line


@pytest.mark.parametrize(
    "text",
    [
        CLIENT + REFRESH,
        "oauth_client_id = us\n" + REFRESH,
        CLIENT + "oauth_grant = client_credentials\n",
    ],
)
def test_tokens_need_no_more_than_their_grant(main: Path, text: str) -> None:
    assert read_text(main, OAUTH + text).relay.has_tokens


@pytest.mark.parametrize(
    "address",
    [
        "https://",
        "https:///token",
        "ftp://login.example/",
        "login.example",
        "https://user:word@login.example/",
        "https://login.example/#here",
        "https://login.example:x/",
        "https://login.example:0/",
        "https://[::1",
        "http://127.0.0.2.example/",
        "https://login.example/a b",
        "https://login.ex\u00e4mple/",
    ],
)
def test_secrets_are_sent_to_no_odd_address(main: Path, address: str) -> None:
    text = OAUTH.replace("https://login.example/token", address) + CLIENT + REFRESH

    told = [line for line in mistakes(main, text) if ":4: oauth_token_end" in line]
    assert len(told) == 1


@pytest.mark.parametrize("key", ["oauth_client_secret", "oauth_refresh_token"])
def test_a_secret_that_stands_in_the_wrong_place_is_not_shown(
    main: Path, key: str
) -> None:
    text = f"[relay a]\n{key} = hunter2\n{key}_credential = hunter 2\n"

    assert "hunter" not in "".join(mistakes(main, text))
