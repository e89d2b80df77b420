# SPDX-License-Identifier: Apache-2.0
"""MaildropHost's configuration in our words."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read
from maildropd.config.relay import Tls
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.maildrophost.importing import SECRET, alone, imported
from maildropd.foreign.maildrophost.settings import Settings

FIXTURES = Path(__file__).resolve().parents[4] / "shared/fixtures"
SHIPPED = {
    "MAILDROP_HOME": '"/srv/zope/maildrop"',
    "SMTP_HOST": '"localhost"',
    "SMTP_PORT": "25",
    "MAILDROP_INTERVAL": "120",
    "DEBUG": "0",
    "MAILDROP_BATCH": "0",
    "MAILDROP_TLS": "0",
    "MAILDROP_LOGIN": '""',
    "MAILDROP_PASSWORD": '""',
    "WAIT_INTERVAL": "0.0",
    "SUPERVISED_DAEMON": "0",
}


def taken(folder: Path, **said: str) -> Imported:
    path = folder / "config"
    lines = (f"{name}={value}\n" for name, value in (SHIPPED | said).items())
    path.write_text("".join(lines))
    return imported(path)


def ours(folder: Path, found: Imported) -> Config:
    """Read what came of it as the daemon does."""
    home = folder / "ours"
    home.mkdir(exist_ok=True)
    (home / "maildropd.conf").write_text(found.config)
    return read(Layout.of_path(home))


def told(found: Imported) -> dict[str, str]:
    return {each.key: str(each) for each in found.remarks}


def test_the_file_as_it_is_shipped_becomes_a_spool_and_a_relay(tmp_path: Path) -> None:
    found = taken(tmp_path)
    config = ours(tmp_path, found)

    [spool] = config.spools
    assert spool.path == Path("/srv/zope/maildrop/spool")
    assert spool.poll_interval == timedelta(seconds=120)
    assert config.daemon.maildrophost_log == Path("/srv/zope/maildrop/var/maildrop.log")
    assert (config.relay.host, config.relay.port) == ("localhost", 25)
    assert config.relay.tls is Tls.NONE
    assert not found.secrets
    assert "ReadWritePaths=/srv/zope/maildrop/spool /srv/zope/maildrop/var" in (
        told(found)["MAILDROP_HOME"] + str(found.remarks)
    )


def test_every_setting_has_its_equal(tmp_path: Path) -> None:
    spools = tmp_path / "a", tmp_path / "b"
    spools[0].mkdir()
    found = taken(
        tmp_path,
        MAILDROP_SPOOL=f'"{spools[0]}; {spools[1]} ;{spools[0]}"',
        MAILDROP_LOG_FILE='"/var/log/maildrop.log"',
        SMTP_HOST='"mail.example.org"',
        SMTP_PORT="587",
        MAILDROP_INTERVAL="7",
        MAILDROP_BATCH="20",
        MAILDROP_TLS="2",
        MAILDROP_LOGIN='"J\u00f6rg"',
        MAILDROP_PASSWORD=r'''"q\"uo'te\\s \u20ac"''',
        WAIT_INTERVAL="0.25",
    )
    config = ours(tmp_path, found)

    assert [each.path for each in config.spools] == list(spools)
    assert config.daemon.maildrophost_log == Path("/var/log/maildrop.log")
    relay = config.relay
    assert (relay.host, relay.port, relay.tls) == (
        "mail.example.org",
        587,
        Tls.REQUIRED,
    )
    assert relay.tls_verify
    assert (relay.username, relay.password_credential) == ("J\u00f6rg", SECRET)
    assert (relay.max_messages, relay.max_connections) == (20, 1)
    assert relay.wait_interval == timedelta(milliseconds=250)
    assert found.secrets == {SECRET: rb"""q"uo'te\s \u20ac""" + b"\n"}
    assert "te\\s" not in found.config
    [submitter] = config.submitters
    assert submitter.uid == (str(os.getuid()),)
    assert submitter.senders == ("*",)


@pytest.mark.parametrize(
    ("level", "tls", "verify"),
    [("0", Tls.NONE, True), ("1", Tls.OPPORTUNISTIC, False), ("2", Tls.REQUIRED, True)],
)
def test_the_levels_of_tls(
    tmp_path: Path, level: str, tls: Tls, *, verify: bool
) -> None:
    """1 means what its manual says: STARTTLS where it is offered, else in clear."""
    relay = ours(tmp_path, taken(tmp_path, MAILDROP_TLS=level)).relay

    assert (relay.tls, relay.tls_verify) == (tls, verify)


@pytest.mark.parametrize(("level", "clear"), [("0", True), ("1", False), ("2", False)])
def test_a_password_goes_in_clear_only_where_tls_was_ruled_out(
    tmp_path: Path, level: str, *, clear: bool
) -> None:
    login = {"MAILDROP_LOGIN": '"u"', "MAILDROP_PASSWORD": '"p"'}
    found = taken(tmp_path, MAILDROP_TLS=level, **login)

    assert ours(tmp_path, found).relay.auth_in_clear is clear
    assert "MAILDROP_TLS" in told(found)


@pytest.mark.parametrize("half", ["MAILDROP_LOGIN", "MAILDROP_PASSWORD"])
def test_half_a_login_is_none_and_said(tmp_path: Path, half: str) -> None:
    found = taken(tmp_path, **{half: '"x"'})

    assert not ours(tmp_path, found).relay.username
    assert "no AUTH" in told(found)["MAILDROP_LOGIN"]


def test_a_debug_receiver_gets_everything(tmp_path: Path) -> None:
    """Where several are named, one: nobody else may get mail of a test."""
    spool = tmp_path / "drop"
    spool.mkdir()
    receiver = '"Dev <dev@example.org>, b@example.org"'
    found = taken(tmp_path, MAILDROP_SPOOL=f'"{spool}"', DEBUG_RECEIVER=receiver)

    config = ours(tmp_path, found)
    owner, others = config.submitters
    assert owner.redirect_to == others.redirect_to == "dev@example.org"
    assert owner.uid == (str(os.getuid()),)
    assert others.spool == tuple(spool.name for spool in config.spools)
    assert not others.senders
    assert "first address" in told(found)["DEBUG_RECEIVER"]


def test_what_has_no_equal_is_remarked_on_at_its_line(tmp_path: Path) -> None:
    found = taken(
        tmp_path,
        MAILDROP_HOME='"/tmp/$X"',
        DEBUG="1",
        SUPERVISED_DAEMON="1",
        SMTP_PORT="0",
        MAILDROP_INTERVAL="0",
        PYTHON='"/usr/bin/python"',
        MAILDROP_PID_FILE='"/run/maildrop.pid"',
        ADD_MESSAGEID="1",
        OWN="1",
    )
    said = told(found)

    assert set(said) == {
        "MAILDROP_HOME",
        "DEBUG",
        "SUPERVISED_DAEMON",
        "SMTP_PORT",
        "MAILDROP_INTERVAL",
        "PYTHON",
        "MAILDROP_PID_FILE",
        "ADD_MESSAGEID",
        "OWN",
    }
    assert said["OWN"].startswith(f"{tmp_path / 'config'}:15: OWN: ")
    assert ours(tmp_path, found).relay.port == 25
    assert len([each for each in found.remarks if each.key == "MAILDROP_HOME"]) == 4


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SMTP_HOST", '"mail.example.org:25"', "contains a port"),
        ("SMTP_HOST", '"a\\nb"', "control character"),
        ("SMTP_HOST", '""', "is empty"),
        ("MAILDROP_HOME", '"maildrop"', "is not a path from the root"),
        ("MAILDROP_HOME", '"/srv/a #b"', "blanks or a backslash"),
        ("MAILDROP_LOGIN", "'\"u\"'", "has quotes around it"),
        ("MAILDROP_PASSWORD", '"a\\nb"', "more than one line"),
        ("DEBUG_RECEIVER", '"root"', "not an address with a domain"),
        ("DEBUG_RECEIVER", '"a@b@c"', "is not an address"),
        ("DEBUG_RECEIVER", '" "', "has blanks"),
    ],
)
def test_what_we_cannot_say_is_refused_at_its_line(
    tmp_path: Path, name: str, value: str, why: str
) -> None:
    login = {"MAILDROP_LOGIN": '"u"', "MAILDROP_PASSWORD": '"p"'}
    with pytest.raises(Unreadable, match=rf"config:\d+: {name}: .*{why}"):
        taken(tmp_path, **login | {name: value})


def test_a_daemon_of_its_own_lets_everybody_send_in_any_name(tmp_path: Path) -> None:
    """Whoever can write into that spool always could."""
    path = tmp_path / "config"
    login = {"MAILDROP_LOGIN": '"u"', "MAILDROP_PASSWORD": '"p"'}
    taken(tmp_path, DEBUG_RECEIVER='"dev@example.org"', **login)

    text = alone(Settings.read(path), Path("password"))
    config = ours(tmp_path, Imported(config=text))

    assert not config.submission.check_senders
    assert config.relay.password_file == tmp_path / "ours" / "password"
    assert config.submitters[0].redirect_to == "dev@example.org"
    assert config.submitters[0].uid == ()


def test_the_files_of_the_originals_are_taken(tmp_path: Path) -> None:
    """Where they are here."""
    for name in (
        "maildrophost/config.default",
        "maildrophost/dummyconfig",
        "infrae/maildrophost.cfg.defaults",
    ):
        if (FIXTURES / name).exists():
            ours(tmp_path, imported(FIXTURES / name))
