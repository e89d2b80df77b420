# SPDX-License-Identifier: Apache-2.0
"""From files to a configuration, or to every mistake in them."""

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config import said
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.model import Auth, Config, Tls, Watch
from maildropd.config.read import read


@pytest.fixture
def main(tmp_path: Path) -> Path:
    path = tmp_path / "maildropd.conf"
    path.write_text("")
    path.chmod(0o600)
    return path


def _read(main: Path, text: str | bytes) -> Config:
    main.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return read(Layout.of_path(main))


def _wrong(main: Path, text: str | bytes) -> list[str]:
    """Return the mistakes, without the folder's name."""
    with pytest.raises(ConfigErrors) as caught:
        _read(main, text)
    return [line.removeprefix(f"{main.parent}/") for line in caught.value.lines]


def _later(main: Path, name: str, text: str) -> None:
    folder = main.with_name("maildropd.conf.d")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def test_an_empty_file_is_a_whole_configuration(main: Path, tmp_path: Path) -> None:
    config = _read(main, "")

    assert config.daemon.state_directory == tmp_path / "state"
    assert config.daemon.runtime_directory == tmp_path / "run"
    assert [spool.name for spool in config.spools] == ["drop"]
    assert config.spools[0].path == tmp_path / "drop"
    assert config.spools[0].quarantine == tmp_path / "quarantine"
    assert config.relay.name == "smarthost"
    assert config.relay.destination == "localhost:25"


def test_each_kind_of_value_is_read(main: Path, tmp_path: Path) -> None:
    config = _read(
        main,
        """\
# a comment
; another one
[daemon]
hostname = mail.example.org
[queue]
message_size_limit=1G
give_up_after = 2d 12h

[spool zope]
path = var/maildrop
watch = poll
[relay provider]
host = smtp.example.net
port = 587
tls = required
tls_verify = no
tls_ca_file = ca.pem
auth = cram-md5
username = alice@example.net
password_credential = provider
""",
    )

    assert config.daemon.hostname == "mail.example.org"
    assert config.queue.message_size_limit == 1 << 30
    assert config.queue.give_up_after == timedelta(hours=60)
    assert config.spools[0].path == tmp_path / "var/maildrop"
    assert config.spools[0].quarantine == tmp_path / "var/quarantine"
    assert config.spools[0].watch is Watch.POLL
    assert config.relay.name == "provider"
    assert config.relay.destination == "smtp.example.net:587"
    assert config.relay.tls is Tls.REQUIRED
    assert config.relay.tls_verify is False
    assert config.relay.tls_ca_file == tmp_path / "ca.pem"
    assert config.relay.auth is Auth.CRAM_MD5
    assert config.relay.username == "alice@example.net"


def test_a_later_file_wins_key_by_key(main: Path) -> None:
    _later(main, "20.conf", "[relay smarthost]\nhost = later\n")
    _later(main, "10.conf", "[relay smarthost]\nhost = earlier\nport = 26\n")
    _later(main, ".hidden.conf", "nonsense")
    _later(main, "30.conf.dpkg-old", "nonsense")

    config = _read(main, "[relay smarthost]\nhost = main\nport = 25\nbatch = 7\n")

    assert config.relay.host == "later"
    assert config.relay.port == 26
    assert config.relay.batch == 7


def test_a_section_of_the_same_name_is_the_same_section(main: Path) -> None:
    config = _read(main, "[spool a]\npath = /a\n[queue]\n[spool a]\nwatch = poll\n")

    assert [(s.path, s.watch) for s in config.spools] == [(Path("/a"), Watch.POLL)]


def test_a_key_without_a_value_is_back_at_its_default(main: Path) -> None:
    _later(main, "10.conf", "[relay smarthost]\nhost =\n")

    config = _read(main, "[relay smarthost]\nhost = mx\n")

    assert config.relay.host == "localhost"


def test_a_relay_section_that_says_nothing_is_no_relay(main: Path) -> None:
    """The sample has one, and an administrator's own file another."""
    _later(main, "10.conf", "[relay provider]\nhost = smtp.example.net\n")

    config = _read(main, "[relay smarthost]\n#host = localhost\n")

    assert config.relay.name == "provider"


def test_a_line_may_go_on_in_the_next(main: Path) -> None:
    config = _read(
        main, "[relay a]\nusername = \\\n# why\n  alice\npassword_file=p\\\n"
    )

    assert config.relay.username == "alice"
    assert config.relay.password_file == main.parent / "p"


def test_line_ends_of_other_systems_and_a_mark_are_understood(main: Path) -> None:
    config = _read(main, b"\xef\xbb\xbf[relay a]\r\n\thost = mx\r\n")

    assert config.relay.host == "mx"


WRONG = [
    # what is no line
    ("x = 1", ":1: x: stands before any [section]"),
    ("[queue]\nfoo", ":2: foo: not of the form key = value"),
    ("[queue", ":1: [queue is not a section (try [relay NAME])"),
    ("[]\nx=1", ":1: [] is not a section (try [relay NAME])"),
    (b"[queue]\nx = \xff", ":2: is not UTF-8"),
    (b"[relay a]\nhost = a\0b", ":2: contains a control character"),
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
        ":3: [relay b]: there can be only one relay, [relay a] is at FILE:1",
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
        "[relay a]\nusername=a\npassword_file=p\npassword_credential=c",
        ":3: password_file: the value and password_credential exclude each other",
    ),
    (
        "[relay a]\ntls=none\nauth=plain\nusername=a\npassword_file=p",
        ':3: auth: "plain" never sends a password in clear (try tls = required)',
    ),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_a_mistake_is_told_with_its_place(
    text: str | bytes, complaint: str, main: Path
) -> None:
    complaint = complaint.replace("FILE", str(main))

    assert _wrong(main, text) == [f"maildropd.conf{complaint}"]


def test_first_retry_is_held_against_the_default_of_give_up_after(main: Path) -> None:
    text = "[queue]\nfirst_retry = 5d\nslowest_retry = 6d"

    assert _wrong(main, text) == [
        'maildropd.conf:2: first_retry: "5d" is not shorter than give_up_after'
    ]


def test_all_mistakes_are_told_at_once_in_order(main: Path) -> None:
    _later(main, "10.conf", "[relay a]\nport = x\n[quee]\n")

    wrong = _wrong(main, "[queue]\nfirst_retry = x\n[relay a]\ntls = ssl\nhots = a\n")

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
    ],
)
def test_a_secret_is_never_repeated(text: str, main: Path) -> None:
    """Mistakes go into the journal, and onto the screen of whoever asks."""
    (line,) = _wrong(main, f"[relay a]\n{text}\n")

    assert "hunter2" not in line


def test_a_password_is_told_where_it_belongs(main: Path) -> None:
    (line,) = _wrong(main, "[relay a]\npassword = hunter2")

    assert "(try password_credential or password_file)" in line
    assert "everybody" not in line


def test_a_password_that_everybody_can_read_has_to_be_changed(main: Path) -> None:
    main.chmod(0o644)

    (line,) = _wrong(main, "[relay a]\npassword = hunter2")

    assert line.endswith(
        "everybody on this host can read this file: change the password"
    )


def test_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    missing = tmp_path / "maildropd.conf"

    with pytest.raises(ConfigErrors) as caught:
        read(Layout.of_path(missing))

    assert caught.value.lines == [
        f"{missing}: cannot be read (no such file or directory)"
    ]


def test_a_file_that_cannot_be_read_is_a_mistake(main: Path) -> None:
    main.unlink()
    main.mkdir()

    with pytest.raises(ConfigErrors, match=r"cannot be read \(is a directory\)"):
        read(replace(Layout.of_path(main.parent), config=main))


def test_a_folder_that_is_none_is_a_mistake(main: Path) -> None:
    main.with_name("maildropd.conf.d").write_text("")

    with pytest.raises(ConfigErrors, match=r"cannot be read \(not a directory\)"):
        read(Layout.of_path(main))


def test_a_huge_file_is_refused(main: Path) -> None:
    assert _wrong(main, b"#" * (1 << 20) + b"##") == [
        "maildropd.conf: is too large for a configuration file"
    ]


def test_the_hosts_own_daemon_needs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "SYSTEM", tmp_path)
    host = replace(Layout.of_host(), config=tmp_path / "maildropd.conf")

    config = read(host)

    assert config.daemon.state_directory == Path("/var/lib/maildropd")
    assert config.spools[0].quarantine == Path("/var/spool/maildrop/quarantine")


def test_the_hosts_own_daemon_needs_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "SYSTEM", tmp_path / "nothing")
    host = replace(Layout.of_host(), config=tmp_path / "nothing/maildropd.conf")

    with pytest.raises(ConfigErrors, match="cannot be read"):
        read(host)


def test_a_named_instance_needs_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that was mistyped must not become a daemon of its own."""
    monkeypatch.setattr(said, "SYSTEM", tmp_path)
    instance = replace(Layout.of_host("tpyo"), config=tmp_path / "tpyo.conf")

    with pytest.raises(ConfigErrors, match=r"tpyo\.conf: cannot be read"):
        read(instance)


def test_a_named_instance_may_be_all_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "SYSTEM", tmp_path)
    (tmp_path / "x.conf.d").mkdir()
    (tmp_path / "x.conf.d/a.conf").write_text("[relay a]\nhost = mx\n")

    config = read(replace(Layout.of_host("x"), config=tmp_path / "x.conf"))

    assert config.relay.host == "mx"
    assert config.daemon.runtime_directory == Path("/run/maildropd-x")


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("[relay a]\nhost = mx\n")

    assert read(Layout.of_path(Path(os.path.relpath(tmp_path / "own")))).relay.host == (
        "mx"
    )
