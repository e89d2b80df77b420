# SPDX-License-Identifier: Apache-2.0
"""What /etc/nullmailer means here."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.relay import Auth, Tls
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.nullmailer import imported
from tests.unit.foreign.reading import Ours, ours

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**files: str) -> Path:
        folder = tmp_path / "nullmailer"
        folder.mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        return folder

    return write


def read(folder: Path) -> Ours:
    return ours(imported, folder)


def test_a_remote_becomes_the_relay_with_its_password_apart(write: Write) -> None:
    line = "smart.example smtp port=2525 starttls user=joe pass='my pass phrase'\n"

    found = read(write(remotes=f"# ours\n\n{line}"))

    relay = found.config.relay
    assert (relay.host, relay.port, relay.tls) == ("smart.example", 2525, Tls.REQUIRED)
    assert relay.username == "joe"
    assert found.imported.secrets == {relay.password_credential: b"my pass phrase"}
    assert "phrase" not in found.imported.config


@pytest.mark.parametrize(
    ("options", "tls", "verify"),
    [
        ("--tls", Tls.IMPLICIT, True),
        ("ssl", Tls.IMPLICIT, True),
        ("--starttls --insecure", Tls.REQUIRED, False),
        ("", Tls.NONE, True),
    ],
)
def test_tls_is_as_strict_as_it_was(
    write: Write, options: str, tls: Tls, *, verify: bool
) -> None:
    relay = read(write(remotes=f"smart.example smtp {options}")).config.relay

    assert (relay.tls, relay.tls_verify) == (tls, verify)


def test_several_remotes_are_asked_in_their_order(write: Write) -> None:
    found = read(write(remotes="a.example\nb.example smtp auth-login\nc.example qmqp"))

    (route,) = found.config.routes
    hosts = {relay.name: relay.host for relay in found.config.relays}
    asked = [hosts[share.relay] for share in route.relay]
    assert asked == ["a.example", "b.example"]
    assert found.config.relays[1].auth is Auth.LOGIN
    assert "c.example" in found.remarked


def test_names_and_times_are_those_of_the_control_files(write: Write) -> None:
    folder = write(
        remotes="smart.example",
        adminaddr="ops@example.org\n",
        defaulthost="h1\n",
        defaultdomain="example.org\n",
        helohost="out.example.org",
        pausetime="120",
        maxpause="3600\n",
        queuelifetime="86400",
    )

    config = read(folder).config

    assert config.names.domain == "h1.example.org"
    assert config.names.local_to == "ops@example.org"
    assert config.bounces.double_bounces_to == "ops@example.org"
    assert config.daemon.hostname == "out.example.org"
    queue = config.queue
    assert queue.first_retry == timedelta(minutes=2)
    assert queue.slowest_retry == timedelta(hours=1)
    assert queue.give_up_after == timedelta(days=1)


def test_debian_keeps_the_name_of_the_host_in_mailname(write: Write) -> None:
    folder = write(remotes="smart.example")
    (folder.parent / "mailname").write_text("h1.example.org\n")

    config = read(folder).config

    assert config.daemon.hostname == config.names.domain == "h1.example.org"
    assert config.queue.give_up_after == timedelta(days=7)


def test_what_has_no_equal_is_remarked_on(write: Write) -> None:
    folder = write(
        remotes="smart.example smtp source=192.0.2.1 wrong pass oops",
        pausetime="0",
        sendtimeout="60",
        bounceto="b@example.org",
        remotez="x",
        adminaddr="a@example.org, b@example.org",
    )

    found = read(folder)

    assert {
        "source",
        "pausetime",
        "sendtimeout",
        "bounceto",
        "remotez",
        "adminaddr",
    } < (set(found.remarked))
    assert not any("oops" in str(remark) for remark in found.imported.remarks)


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({}, "remotes: no such file or directory"),
        ({"remotes": "# nobody\n"}, "remotes: names no remote that speaks SMTP"),
        ({"remotes": "a.example\nb.example smtp pass='open"}, "remotes:2: no closing"),
        ({"remotes": "a_b:25"}, 'remotes:1: "a_b:25" for host contains a port'),
        ({"remotes": "a.example", "pausetime": "soon"}, "pausetime: is not a number"),
        ({"remotes": "a.example smtp --port=x"}, 'remotes:1: "x" for port is not a'),
    ],
)
def test_what_cannot_be_read_names_its_line(
    write: Write, files: dict[str, str], where: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        imported(write(**files))

    assert where in str(caught.value)


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="the folder /etc/nullmailer is meant"):
        imported(tmp_path / "remotes")
