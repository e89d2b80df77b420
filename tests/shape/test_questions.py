# SPDX-License-Identifier: Apache-2.0
"""Whatever is answered to the package's questions, the configuration stays right.

The very functions of the package's scripts are run, by sh; what they let through
and write must be read as it was answered.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read
from maildropd.config.relay import Tls
from tests.shape.house import ROOT

DEBIAN = ROOT / "packaging" / "debian"
PASSWORD = "sesame\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What somebody said; empty is nothing."""

    host: str = ""
    user: str = ""
    port: str = ""
    root: str = ""


HOSTS = (
    "mail",
    "smtp.example.net",
    "smtp.example.net.",
    "192.0.2.7",
    "2001:db8::25",
    "a_b.xn--bcher-kva.example",
    "9.9",
)
NO_HOSTS = (
    "smtp.example.net:25",
    "[192.0.2.7]",
    "smtp example",
    "-x.example.net",
    "x..example.net",
    "b\u00fccher.example",
    "1:2",
    "::1%lo",
    "a" * 64,
    ".".join(["a" * 60] * 5),
    "$(reboot)",
    "x\nport = 1",
    "x;",
    "/etc",
)
USERS = (
    "alice",
    "alice@example.net",
    "EXAMPLE+alice",
    "a%40b",
    "x=y",
    "~",
    "[a]",
    "$x",
)
NO_USERS = (
    "a b",
    "a#b",
    "a;b",
    "a\\",
    '"a"',
    "'a'",
    "a`b",
    "\u00e4",
    "a\nb",
    "x" * 256,
)
PORTS = ("1", "25", "465", "00587", "65535")
NO_PORTS = ("0", "65536", "-1", "2 5", "smtp", "1e3", "0x19", "999999", "25\n26")
ADDRESSES = ("root@example.org", "a.b+c=d@mail", "_x@example.org")
NO_ADDRESSES = (
    "root",
    "@example.org",
    "a@",
    "a@b@example.org",
    ".a@example.org",
    "a..b@example.org",
    "a.@example.org",
    "-a@example.org",
    "a b@example.org",
    "<a@example.org>",
    "a@example..org",
    "a,b@example.org",
    "a@[192.0.2.7]",
    '"a"@example.org',
)


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_that_is_let_through_is_read_as_it_was_answered(
    host: str, tmp_path: Path
) -> None:
    assert fits("is_host", host)
    assert written(Answers(host=host, port="25"), tmp_path).relay.host == host


@pytest.mark.parametrize("user", USERS)
def test_a_user_that_is_let_through_is_read_as_it_was_answered(
    user: str, tmp_path: Path
) -> None:
    (tmp_path / "credential").write_text(PASSWORD)
    answers = Answers(host="mail", port="587", user=user)

    relay = written(answers, tmp_path).relay

    assert fits("is_user_name", user)
    assert (relay.username, relay.password_credential) == (user, "credential")
    assert relay.tls is Tls.REQUIRED


@pytest.mark.parametrize("port", PORTS)
def test_a_port_that_is_let_through_is_read_as_it_was_answered(
    port: str, tmp_path: Path
) -> None:
    assert fits("is_port", port)

    relay = written(Answers(host="mail", port=port), tmp_path).relay

    assert relay.real_port == int(port)
    assert (relay.tls is Tls.IMPLICIT) == (port == "465")


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_let_through_is_read_as_it_was_answered(
    address: str, tmp_path: Path
) -> None:
    assert fits("is_address", address)
    assert written(Answers(root=address), tmp_path).names.local_to == address


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        *(("is_host", answer) for answer in NO_HOSTS),
        *(("is_user_name", answer) for answer in NO_USERS),
        *(("is_port", answer) for answer in NO_PORTS),
        *(("is_address", answer) for answer in NO_ADDRESSES),
    ],
)
def test_what_could_break_the_configuration_is_not_let_through(
    check: str, answer: str
) -> None:
    assert not fits(check, answer)


def test_without_the_password_the_smarthost_is_not_used_yet(tmp_path: Path) -> None:
    """It could refuse for good, without a login, what it would take with one."""
    answers = Answers(host="mail", port="587", user="alice", root="a@example.org")

    config = written(answers, tmp_path)

    assert (config.relay.host, config.relay.username) == ("localhost", "")
    assert config.names.local_to == "a@example.org"
    for key, answer in ("host", "mail"), ("port", "587"), ("username", "alice"):
        assert said(key, tmp_path) == answer, "the questions remember it"


def test_a_file_that_was_changed_in_any_place_is_known_for_it(tmp_path: Path) -> None:
    written(Answers(host="mail", port="25", root="a@example.org"), tmp_path)
    file = settings(tmp_path)
    lines = file.read_text().splitlines(keepends=True)
    assert is_as_written(tmp_path)

    for place, line in enumerate(lines):
        for change in "", f"#{line}", line + "\n":
            file.write_text("".join([*lines[:place], change, *lines[place + 1 :]]))
            assert not is_as_written(tmp_path), (place, change)


def fits(check: str, answer: str) -> bool:
    """Ask the package's own check."""
    script = f'{functions("maildropd.config")}\n{check} "$1"'
    return shell(script, answer).returncode == 0


def written(answers: Answers, folder: Path) -> Config:
    """Have the answers written, and read as the daemon would."""
    settings(folder).parent.mkdir()
    script = f"""
    DEBCONF_RECONFIGURE=
    {places(folder)}
    {functions("maildropd.postinst")}
    answers="smarthost=$1 username=$2 port=$3 root_address=$4"
    db_get() {{
        RET=$(printf '%s\\n' $answers | sed -n "s/^${{1#*/}}=//p")
    }}
    set -f
    write_settings
    """
    shell(script, answers.host, answers.user, answers.port, answers.root, check=True)
    return read(Layout.of_path(folder))


def said(key: str, folder: Path) -> str:
    """Return what the questions will find in the file."""
    script = f'{places(folder)}\n{functions("maildropd.config")}\nwritten "$1"'
    return shell(script, key).stdout.strip()


def is_as_written(folder: Path) -> bool:
    script = f'{places(folder)}\nis_as_written "$SETTINGS"'
    return shell(script).returncode == 0


def settings(folder: Path) -> Path:
    return folder / "maildropd.conf.d" / "00-debconf.conf"


def places(folder: Path) -> str:
    """Return the part that both scripts share, with its files in a folder."""
    text = (DEBIAN / "settings").read_text("utf-8")
    return f"{text}\nSETTINGS={settings(folder)}\nCREDENTIAL={folder}/credential\n"


def functions(script: str) -> str:
    """Return the functions of a script, and nothing that is done."""
    lines = (DEBIAN / script).read_text("utf-8").splitlines()
    found, inside = [], False
    for line in lines:
        inside = inside or line.endswith("() {") or "() { #" in line
        if inside:
            found.append(line)
        inside = inside and line != "}"
    return "\n".join(found)


def shell(
    script: str, *arguments: str, check: bool = False
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-eu", "-c", script, "sh", *arguments],
        capture_output=True,
        text=True,
        check=check,
        timeout=30,
    )
