# SPDX-License-Identifier: Apache-2.0
"""From files that are right to a configuration."""

from datetime import timedelta
from pathlib import Path

from maildropd.config.model import Watch
from maildropd.config.relay import Auth, Tls
from tests.unit.config.reading import add_file, read_text


def test_an_empty_file_is_a_whole_configuration(main: Path, tmp_path: Path) -> None:
    config = read_text(main, "")

    assert config.daemon.state_directory == tmp_path / "state"
    assert config.daemon.runtime_directory == tmp_path / "run"
    assert [spool.name for spool in config.spools] == ["drop"]
    assert config.spools[0].path == tmp_path / "drop"
    assert config.spools[0].quarantine == tmp_path / "quarantine"
    assert config.relay.name == "smarthost"
    assert config.relay.destination == "localhost:25"


def test_each_kind_of_value_isread_text(main: Path, tmp_path: Path) -> None:
    config = read_text(
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
    add_file(main, "20.conf", "[relay smarthost]\nhost = later\n")
    add_file(main, "10.conf", "[relay smarthost]\nhost = earlier\nport = 26\n")
    add_file(main, ".hidden.conf", "nonsense")
    add_file(main, "30.conf.dpkg-old", "nonsense")

    said = "[relay smarthost]\nhost = main\nport = 25\nmax_messages = 7\n"
    config = read_text(main, said)

    assert config.relay.host == "later"
    assert config.relay.port == 26
    assert config.relay.max_messages == 7


def test_a_section_of_the_same_name_is_the_same_section(main: Path) -> None:
    config = read_text(main, "[spool a]\npath = /a\n[queue]\n[spool a]\nwatch = poll\n")

    assert [(s.path, s.watch) for s in config.spools] == [(Path("/a"), Watch.POLL)]


def test_a_key_without_a_value_is_back_at_its_default(main: Path) -> None:
    add_file(main, "10.conf", "[relay smarthost]\nhost =\n")

    config = read_text(main, "[relay smarthost]\nhost = mx\n")

    assert config.relay.host == "localhost"


def test_a_relay_section_that_says_nothing_is_no_relay(main: Path) -> None:
    """The sample has one, and an administrator's own file another."""
    add_file(main, "10.conf", "[relay provider]\nhost = smtp.example.net\n")

    config = read_text(main, "[relay smarthost]\n#host = localhost\n")

    assert config.relay.name == "provider"


def test_a_line_may_go_on_in_the_next(main: Path) -> None:
    config = read_text(
        main, "[relay a]\nusername = \\\n# why\n  alice\npassword_file=p\\\n"
    )

    assert config.relay.username == "alice"
    assert config.relay.password_file == main.parent / "p"


def test_line_ends_of_other_systems_and_a_mark_are_understood(main: Path) -> None:
    config = read_text(main, b"\xef\xbb\xbf[relay a]\r\n\thost = mx\r\n")

    assert config.relay.host == "mx"


def test_a_file_that_ends_in_the_middle_of_a_line_isread_text(main: Path) -> None:
    assert read_text(main, "[relay a]\nhost = mx \\").relay.host == "mx"
