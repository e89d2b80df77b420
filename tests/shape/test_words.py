# SPDX-License-Identifier: Apache-2.0
"""Code, manual, sample, catalog and change log say the same, word for word."""

import ast
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path

import pytest

from maildropd import __version__
from maildropd.cli import maildropctl, maildropd, notify, smtp
from maildropd.config.layout import Layout
from maildropd.config.read import read
from maildropd.edge.sendmail import arguments
from tests.shape import words
from tests.shape.house import ROOT, Source, sources

Main = Callable[[Sequence[str]], int]

HOUSE = sources("maildropd")
PAGES = sorted((ROOT / "docs" / "man").glob("*.[0-9]"))


def test_the_version_is_the_same_everywhere() -> None:
    change_log = re.search(r"(?m)^## (\S+)", words.read("CHANGELOG.md"))
    debian = re.match(r"maildropd \((\S+)\)", words.debian_changelog().read_text())

    assert change_log
    assert change_log[1] == __version__
    assert debian
    assert debian[1] == __version__


def test_the_oldest_python_is_the_same_everywhere() -> None:
    setup = ConfigParser(interpolation=None)
    setup.read_string(words.read("setup.cfg"))
    ruff = tomllib.loads(words.read("pyproject.toml"))["tool"]["ruff"]

    assert setup["options"]["python_requires"] == ">=3.11"
    assert setup["mypy"]["python_version"] == "3.11"
    assert ruff["target-version"] == "py311"


@pytest.mark.parametrize("part", HOUSE, ids=lambda part: part.path)
def test_the_oldest_python_can_read(part: Source) -> None:
    ast.parse(part.text, part.path, feature_version=(3, 11))


# --- events ------------------------------------------------------------------


def test_every_event_has_an_id_of_its_own() -> None:
    ids = [event.event_id for event in words.events()]

    assert len(ids) > 20
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_the_catalog_explains_every_event_and_nothing_else() -> None:
    entries = words.catalog(words.read("packaging/systemd/maildropd.catalog"))
    ids = {event.event_id: event.__name__ for event in words.events()}

    assert {ids.get(one, one) for one in entries} == set(ids.values())
    assert all("\nSubject: " in entry for entry in entries.values())


def test_the_catalog_names_only_fields_that_its_event_has() -> None:
    entries = words.catalog(words.read("packaging/systemd/maildropd.catalog"))

    for event in words.events():
        used = re.findall(r"@(\w+)@", entries.get(event.event_id, ""))
        assert set(used) <= words.journal_fields(event), event.__name__


def test_the_log_manual_explains_every_event_and_field() -> None:
    manual = words.read("docs/LOGGING.md")

    for event in words.events():
        said = {event.__name__, event.event_id, *words.journal_fields(event)}
        assert {word for word in said if word not in manual} == set()


def test_the_log_manual_names_no_id_that_is_gone() -> None:
    ids = set(re.findall(r"\b[0-9a-f]{32}\b", words.read("docs/LOGGING.md")))

    assert ids <= {event.event_id for event in words.events()}


# --- configuration -------------------------------------------------------------


def test_the_manual_explains_every_key_once_and_no_other() -> None:
    keys = list(words.manual_keys(words.read("docs/man/maildropd.conf.5")))

    assert {(key.section, key.name) for key in keys} == words.model_keys()
    assert len(keys) == len(words.model_keys())


def test_the_sample_shows_every_key_once_and_no_other() -> None:
    keys = list(words.sample_keys(words.read("etc/maildrop/maildropd.conf")))

    assert {(key.section, key.name) for key in keys} == words.model_keys()
    assert len(keys) == len(words.model_keys())


def test_manual_and_sample_show_the_same_defaults() -> None:
    manual = set(words.manual_keys(words.read("docs/man/maildropd.conf.5")))
    sample = set(words.sample_keys(words.read("etc/maildrop/maildropd.conf")))

    assert manual == sample


def test_the_defaults_shown_are_the_defaults_in_force(tmp_path: Path) -> None:
    """Say every default aloud: the configuration is the one of an empty file."""
    names = {"spool": "spool drop", "relay": "relay smarthost"}
    said, layout = tmp_path / "x.conf", replace(Layout.of_host(), config=tmp_path / "x")
    for key in words.manual_keys(words.read("docs/man/maildropd.conf.5")):
        # Those are not there by themselves.
        if key.default and key.section not in ("submitter", "route", "dkim"):
            section = names.get(key.section, key.section)
            with said.open("a") as sample:
                sample.write(f"[{section}]\n{key.name} = {key.default}\n")
    layout.config.touch()

    silent = read(layout)

    assert replace(read(replace(layout, config=said)), source=layout.config) == silent


# --- specifications --------------------------------------------------------------


def test_every_rfc_the_code_speaks_of_is_listed() -> None:
    listed = words.rfcs([words.read("docs/SPECIFICATIONS.md")])

    assert words.rfcs(part.text for part in HOUSE) - listed == set()


# --- manual pages ------------------------------------------------------------------


def test_there_is_a_page_for_each_command_and_for_the_configuration() -> None:
    names = {page.name for page in PAGES}

    assert names >= {"maildropd.8", "maildropctl.8", "maildropd.conf.5"}


@pytest.mark.parametrize(
    ("command", "main"),
    [
        ("maildropd", maildropd.main),
        ("maildropctl", maildropctl.main),
        ("maildropd-notify", notify.main),
        ("maildropd-smtp", smtp.main),
    ],
)
def test_every_option_and_command_is_in_its_page_and_no_other(
    command: str, main: Main, capsys: pytest.CaptureFixture[str]
) -> None:
    known = helped(main, capsys)
    for word in [word for word in known if not word.startswith("-")]:
        known |= helped(main, capsys, word)

    assert len(known) > 3
    page = words.documented(words.read(f"docs/man/{command}.8"))
    assert page | {"--help"} == known


def test_the_shell_completes_every_command_and_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = {word for word in helped(maildropctl.main, capsys) if word[0] != "-"}

    script = words.read("packaging/debian/completion")

    (listed,) = re.findall(r"local commands='(.*)'", script)
    assert set(listed.split()) == known


def test_every_option_of_sendmail_is_in_its_page_and_no_other() -> None:
    """It has no --help: its callers know it by heart."""
    known = arguments._VALUED | arguments._ALONE | set("bdeqAI")

    assert words.letters(words.read("docs/man/sendmail.8")) == known


def test_sendmail_looks_where_its_page_says() -> None:
    page = words.read("docs/man/sendmail.8")
    clients = ("maildropd/cli/sendmail.py", "packaging/sendmail/sendmail.c")

    for client in map(words.read, clients):
        places = set(
            re.findall(r"MAILDROP_\w+|/run/maildrop|/var/spool/[\w/]+", client)
        )
        assert len(places) == 4
        assert {place for place in places if place not in page} == set()


def helped(main: Main, capsys: pytest.CaptureFixture[str], *words_: str) -> set[str]:
    with pytest.raises(SystemExit):
        main([*words_, "--help"])
    return words.options(capsys.readouterr().out)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_man_shows_without_a_warning(page: Path) -> None:
    if not shutil.which("man"):
        pytest.skip("man is missing (man-db)")

    shown = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-P", "cat", "-l", str(page)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "80"},
    )

    assert shown.stderr == ""
    assert len(shown.stdout) > 500


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_mandoc_has_nothing_to_warn_of(page: Path) -> None:
    if not shutil.which("mandoc"):
        pytest.skip("mandoc is missing")

    lint = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", str(page)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert lint.stdout == ""


# --- the readers themselves can tell right from wrong --------------------------------


def test_a_catalog_is_read_entry_by_entry() -> None:
    one, other = "a" * 32, "b" * 32

    entries = words.catalog(f"# head\n-- {one}\nSubject: x\n-- {other}\nSubject: y\n")

    assert list(entries) == [one, other]
    assert "x" in entries[one]


def test_keys_are_read_from_sample_and_page() -> None:
    sample = "# Mail: a = b\n#[relay x]\n#port = 25\nhost =\n"
    page = ".Ss Section Bq relay NAME\n.It Ic port Li = 25\n.It Ic host Li =\n.It x"
    keys = [words.Key("relay", "port", "25"), words.Key("relay", "host")]

    assert list(words.sample_keys(sample)) == keys
    assert list(words.manual_keys(page)) == keys


def test_options_are_read_from_help_and_page() -> None:
    text = "usage: x [--pid-file FILE]\n  COMMAND\n    flush    try now\n  --pid-file"
    page = ".It Fl -pid-file Ar FILE\n.It Fl Fl check\n.It Cm flush Op Ar ID\n.Fl -no"

    assert words.options(text) == {"--pid-file", "flush"}
    assert words.documented(page) == {"--pid-file", "--check", "flush"}


def test_letters_are_read_from_a_page() -> None:
    page = (
        ".Op Fl itv\n.Op Fl f Ar x\n.Fl bp | bi | q\n.It Fl i , Fl oi\n.Fl A , B\nFl."
    )

    assert words.letters(page) == set("itvfbqoAB")


def test_rfcs_are_found_however_they_are_spelled() -> None:
    spoken_of = ["see RFC 5321 4.5.5", "RFC2033, RFC-8314", "|\n| 1870 | SIZE |"]

    assert words.rfcs(spoken_of) == {"5321", "2033", "8314", "1870"}
