# SPDX-License-Identifier: Apache-2.0
"""Every variable of MaildropHost: its default, its type, and where it stands."""

from pathlib import Path

import pytest

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.settings import (
    OF_CHOICE,
    OF_DAEMON,
    OF_PRODUCER,
    VARIABLES,
    Incomplete,
    Settings,
)

FIXTURES = Path(__file__).resolve().parents[4] / "shared/fixtures"
NEEDED = """\
MAILDROP_HOME="/srv/zope/maildrop"
SMTP_HOST="mail.example.org"
SMTP_PORT=587
MAILDROP_INTERVAL=60
DEBUG=0
MAILDROP_BATCH=10
MAILDROP_TLS=2
MAILDROP_LOGIN="zope"
MAILDROP_PASSWORD="a b"
WAIT_INTERVAL=0.5
SUPERVISED_DAEMON=1
"""


def said(text: str) -> Settings:
    return Settings.parse(text, "config")


def test_what_is_not_said_is_as_maildrophost_ships_it() -> None:
    settings = said("")

    assert {name: getattr(settings, name.lower()) for name in VARIABLES} == {
        "PYTHON": "/usr/bin/python",
        "MAILDROP_HOME": "/tmp/maildrop",
        "MAILDROP_SPOOL": "",
        "MAILDROP_VAR": "",
        "MAILDROP_PID_FILE": "",
        "MAILDROP_LOG_FILE": "",
        "SMTP_HOST": "localhost",
        "SMTP_PORT": 25,
        "MAILDROP_INTERVAL": 120,
        "DEBUG": 0,
        "DEBUG_RECEIVER": "",
        "MAILDROP_BATCH": 0,
        "MAILDROP_TLS": 0,
        "MAILDROP_LOGIN": "",
        "MAILDROP_PASSWORD": "",
        "WAIT_INTERVAL": 0.0,
        "ADD_MESSAGEID": 0,
        "SUPERVISED_DAEMON": 0,
    }
    assert settings.spools == ("/tmp/maildrop/spool",)
    assert settings.log_file == "/tmp/maildrop/var/maildrop.log"
    assert settings.pid_file == "/tmp/maildrop/var/maildrop.pid"
    assert not settings.has_login


def test_all_that_is_said_is_there_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(NEEDED + 'MY_OWN="x"\n')

    settings = Settings.read(path)

    assert (settings.smtp_host, settings.smtp_port) == ("mail.example.org", 587)
    assert (settings.wait_interval, settings.maildrop_batch) == (0.5, 10)
    assert settings.has_login
    assert settings.place("SMTP_PORT") == f"{path}:3"
    assert settings.place("PYTHON") == str(path)
    assert settings.unknown == ("MY_OWN",)


@pytest.mark.parametrize(
    ("spool", "spools"),
    [
        ("/a", ("/a",)),
        (" /a ; /b;;\t/c; ", ("/a", "/b", "/c")),
        (";", ("/h/spool",)),
        ("$HOME/x", ("$HOME/x",)),
    ],
)
def test_several_spools_have_semicolons_between_them(
    spool: str, spools: tuple[str, ...]
) -> None:
    assert said(f'MAILDROP_HOME="/h"\nMAILDROP_SPOOL="{spool}"').spools == spools


def test_places_below_home_and_var_follow_them() -> None:
    settings = said('MAILDROP_HOME="/h"\nMAILDROP_VAR="/v"\nMAILDROP_LOG_FILE="/l"')

    assert settings.pid_file == "/v/maildrop.pid"
    assert settings.log_file == "/l"
    assert settings.spools == ("/h/spool",)


@pytest.mark.parametrize(
    ("text", "flag"), [("1", 1), ("0", 0), ("True", 1), ("None", 0), ("7", 1)]
)
def test_a_switch_is_on_for_whatever_is_not_nothing(text: str, flag: int) -> None:
    assert said(f"DEBUG={text}").debug == flag


def test_none_is_a_text_that_is_not_there() -> None:
    assert said("MAILDROP_LOGIN=None").maildrop_login == ""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('SMTP_PORT="25"', "SMTP_PORT: should be a whole number"),
        ("SMTP_PORT=65536", "SMTP_PORT: 65536 is out of range"),
        ("SMTP_PORT=True", "SMTP_PORT: should be a whole number"),
        ("SMTP_HOST=1", "SMTP_HOST: should be a text"),
        ("MAILDROP_PASSWORD=1234", "MAILDROP_PASSWORD: should be a text"),
        ("MAILDROP_TLS=3", "MAILDROP_TLS: 3 is out of range"),
        ("MAILDROP_TLS=True", "MAILDROP_TLS: should be a whole number"),
        ('MAILDROP_INTERVAL="60"', "MAILDROP_INTERVAL: should be a number of seconds"),
        ("WAIT_INTERVAL=1e300", "WAIT_INTERVAL: is out of range"),
        ("DEBUG='0'", "DEBUG: should be 0 or 1"),
        ("ADD_MESSAGEID=1.5", "ADD_MESSAGEID: should be 0 or 1"),
        (r"SMTP_HOST='a\0b'", "SMTP_HOST: contains an octet 0"),
    ],
)
def test_a_wrong_type_is_told_at_its_line_and_never_shown(line: str, why: str) -> None:
    with pytest.raises(Unreadable, match=rf"^config:2: {why}.*\(") as caught:
        said(f"PYTHON='x'\n{line}\n")

    assert "1234" not in str(caught.value)


def test_all_wrong_types_are_told_at_once() -> None:
    with pytest.raises(Unreadable) as caught:
        said("WAIT_INTERVAL=''\n\nSMTP_PORT=''\n")

    lines = str(caught.value).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["config:1:", "config:3:"]


@pytest.mark.parametrize("needed", [OF_DAEMON, OF_PRODUCER, OF_CHOICE])
def test_what_lacks_a_variable_says_which_and_what_to_add(
    needed: frozenset[str], tmp_path: Path
) -> None:
    """As the daemon and the object in Zope, which need more or less."""
    path = tmp_path / "config"
    lines = [each for each in NEEDED.splitlines() if each.split("=")[0] in needed]
    path.write_text("\n".join(lines))
    Settings.read(path, needed)

    for name in needed:
        path.write_text("\n".join(each for each in lines if not each.startswith(name)))
        with pytest.raises(Incomplete, match=rf"lacks {name} \(add {name}=") as caught:
            Settings.read(path, needed)
        assert caught.value.missing == (name,)


def test_a_half_written_file_is_no_configuration(tmp_path: Path) -> None:
    """Wherever it ends: without a login mail would be refused, or worse."""
    path = tmp_path / "config"
    for end in range(len(NEEDED) - len("=1\n") + 1):
        path.write_text(NEEDED[:end])
        with pytest.raises(Unreadable):
            Settings.read(path)


def test_a_password_never_shows() -> None:
    assert "s3cret" not in repr(said("MAILDROP_PASSWORD='s3cret'"))


def test_the_files_of_maildrophost_itself_are_whole_or_not() -> None:
    """Where they are here."""
    folder = FIXTURES / "maildrophost"
    for name in ("config.default", "dummyconfig"):
        if (folder / name).exists():
            assert Settings.read(folder / name).unknown == ()
    if (folder / "badconfig").exists():
        with pytest.raises(Incomplete):
            Settings.read(folder / "badconfig", OF_CHOICE)
    if (FIXTURES / "infrae" / "maildrophost.cfg.defaults").exists():
        settings = Settings.read(FIXTURES / "infrae" / "maildrophost.cfg.defaults")
        assert settings.spools == ("/srv/bo/var/maildrop/spool",)
