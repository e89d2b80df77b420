# SPDX-License-Identifier: Apache-2.0
"""The package's questions: asked once, answered beforehand, or left alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Debs, install
from tests.system.host import UNIT
from tests.system.machine import Machine
from tests.system.newer import repacked

FILE = "/etc/maildrop/maildropd.conf.d/00-debconf.conf"
CREDENTIAL = "/etc/maildrop/credentials/smarthost"
RECONFIGURE = ("dpkg-reconfigure", "--frontend=noninteractive", "maildropd")
# Types the words, and returns what was shown; debconf insists on a terminal.
TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if not pid:
    os.environ["DEBIAN_FRONTEND"] = "teletype"
    os.execvp("dpkg-reconfigure", ["dpkg-reconfigure", "maildropd"])
os.write(terminal, b"".join(word.encode() + b"\\n" for word in sys.argv[1:]))
shown = b""
try:
    while octets := os.read(terminal, 4096):
        shown += octets
except OSError:
    pass  # the other end was closed
print(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.fixture
def machine(bare: Machine) -> Iterator[Machine]:
    """A machine without the package; and again afterwards."""
    yield bare
    bare.run("dpkg", "--purge", "maildropd-mta", "maildropd")
    bare.run("rm", "-rf", "/etc/maildrop")


def test_nobody_has_to_answer(machine: Machine, debs: Debs) -> None:
    install(machine, debs.daemon)

    assert machine.is_active(UNIT)
    assert not machine.path(FILE).exists()


def test_answers_given_beforehand_are_in_force_after_the_installation(
    machine: Machine, debs: Debs
) -> None:
    answer(machine, smarthost="mail.example.net", root_address="ops@example.org")

    install(machine, debs.daemon)

    assert settings(machine) == [
        "[relay smarthost]",
        "host = mail.example.net",
        "port = 25",
        "[names]",
        "local_to = ops@example.org",
    ]
    assert "mail.example.net:25" in machine.run("maildropctl", "status")


def test_a_login_comes_into_force_with_its_password(
    machine: Machine, debs: Debs
) -> None:
    """Until then the daemon runs, and mail waits."""
    answer(machine, smarthost="mail.example.net", username="alice", port="465")
    install(machine, debs.daemon)
    assert settings(machine) == []
    assert machine.is_active(UNIT)

    machine.push(CREDENTIAL, "sesame\n", mode=0o600)
    machine.run(*RECONFIGURE)

    assert settings(machine) == [
        "[relay smarthost]",
        "host = mail.example.net",
        "port = 465",
        "tls = implicit",
        "username = alice",
        "password_credential = smarthost",
    ]
    assert machine.is_active(UNIT)
    assert "sesame" not in machine.path("/var/cache/debconf/config.dat").read_text()


def test_answers_that_cannot_be_used_are_dropped(machine: Machine, debs: Debs) -> None:
    """Where nobody can be asked again, the others count."""
    answer(
        machine,
        smarthost="mail.example.net",
        username="x # y",
        port="99999",
        root_address="root\\nhost = evil.example.net",
    )

    install(machine, debs.daemon)

    assert settings(machine) == [
        "[relay smarthost]",
        "host = mail.example.net",
        "port = 25",
    ]
    assert machine.is_active(UNIT)


def test_who_reconfigures_is_asked_again_until_the_answers_can_be_used(
    machine: Machine, debs: Debs
) -> None:
    install(machine, debs.daemon)

    shown = machine.run(
        "python3",
        *("-c", TERMINAL),
        *("mail.example.net:25", "mail.example.net", "", "2525", "ops@example.org"),
    )

    assert shown.count("cannot be used") == 1
    assert settings(machine) == [
        "[relay smarthost]",
        "host = mail.example.net",
        "port = 2525",
        "[names]",
        "local_to = ops@example.org",
    ]


def test_three_wrong_answers_are_enough(machine: Machine, debs: Debs) -> None:
    install(machine, debs.daemon)

    machine.run("python3", "-c", TERMINAL, "a:1", "b:1", "c:1", "ops@example.org")

    assert settings(machine) == ["[names]", "local_to = ops@example.org"]


def test_a_file_changed_by_hand_is_never_written_again(
    machine: Machine, debs: Debs, tmp_path: Path
) -> None:
    answer(machine, smarthost="mail.example.net")
    install(machine, debs.daemon)
    file = machine.path(FILE)
    file.write_text(file.read_text().replace("port = 25", "port = 26"))
    changed = file.read_text()

    answer(machine, smarthost="other.example.net")
    said = machine.attempt(*RECONFIGURE)
    install(machine, repacked(debs, tmp_path).daemon)

    assert said.returncode == 0
    assert "changed by hand" in said.stderr
    assert file.read_text() == changed


def test_a_file_that_was_taken_away_does_not_come_back_by_an_upgrade(
    machine: Machine, debs: Debs, tmp_path: Path
) -> None:
    answer(machine, smarthost="mail.example.net")
    newer = repacked(debs, tmp_path)
    install(machine, newer.daemon)
    machine.path(FILE).unlink()

    machine.run("dpkg", "--install", f"/root/{newer.daemon.name}")

    assert not machine.path(FILE).exists()


def test_who_has_said_it_in_a_file_is_not_asked(machine: Machine, debs: Debs) -> None:
    """Two relays, and nobody could tell which takes all mail."""
    own = "[relay own]\nhost = own.example.net\n"
    machine.push("/etc/maildrop/maildropd.conf.d/own.conf", own)
    answer(machine, smarthost="mail.example.net")

    install(machine, debs.daemon)

    assert machine.is_active(UNIT)
    assert not machine.path(FILE).exists()
    assert "own.example.net:25" in machine.run("maildropctl", "status")


def test_an_answer_brings_back_the_directory_of_its_file(
    machine: Machine, debs: Debs
) -> None:
    """Somebody had removed it, and the package could not be configured again."""
    install(machine, debs.daemon)
    machine.run("rm", "-r", "/etc/maildrop/maildropd.conf.d")

    answer(machine, smarthost="mail.example.net")
    machine.run(*RECONFIGURE)

    assert "host = mail.example.net" in settings(machine)


def answer(machine: Machine, **answers: str) -> None:
    """Answer questions beforehand, as an automatic installation does."""
    lines = (
        f"maildropd maildropd/{key} string {said}" for key, said in answers.items()
    )
    machine.run("debconf-set-selections", stdin="\n".join(lines) + "\n")


def settings(machine: Machine) -> list[str]:
    """Return what is said in the file, and not only remarked."""
    lines = machine.path(FILE).read_text().splitlines()
    return [line for line in lines if line and line[0] != "#"]
