# SPDX-License-Identifier: Apache-2.0
"""The packages come, take over, make room, and go when they are told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.conftest import Debs, install
from tests.system.host import UNIT
from tests.system.machine import Machine, until
from tests.system.newer import repacked

SHOP = "maildropd@shop.service"
SOCKETS = ("maildropd.socket", "maildropd-sendmail.socket")
SHOPS = ("maildropd@shop.socket", "maildropd-sendmail@shop.socket")
SMTP = "maildropd-smtp.socket"
RUNNING = (UNIT, "maildropd.path", *SOCKETS)
EVERYTHING = (*RUNNING, SHOP, *SHOPS, SMTP)
KEPT = (
    "/etc/maildrop/credentials/smarthost",
    "/etc/maildrop/maildropd.conf",
    "/etc/maildrop/shop.conf",
    "/var/lib/maildropd/queue.db",
    "/var/lib/maildropd-shop/queue.db",
    "/var/spool/maildrop/drop",
    "/var/spool/maildrop-shop/drop",
)


@pytest.fixture
def machine(bare: Machine, debs: Debs) -> Iterator[Machine]:
    """A machine with both packages; afterwards with none."""
    install(bare, *debs)
    yield bare
    bare.run("dpkg", "--purge", "maildropd-mta", "maildropd")
    bare.run("rm", "-rf", "/etc/maildrop")


def test_everybody_can_reach_the_sockets_and_no_more(machine: Machine) -> None:
    assert idle(machine, *RUNNING) == []

    for socket in "submission", "sendmail":
        shown = machine.run("stat", "-c", "%A %U", f"/run/maildrop/{socket}")
        assert shown == "srw-rw-rw- root\n"
    assert machine.run("stat", "-c", "%A %U", "/run/maildrop") == "drwxr-xr-x root\n"
    assert not machine.is_active(SMTP), "who wants SMTP enables it"


def test_the_sockets_stay_while_the_service_restarts(machine: Machine) -> None:
    """Who has connected meanwhile is not refused."""
    before = machine.unit(SOCKETS[0], "ActiveEnterTimestampMonotonic")

    machine.run("systemctl", "restart", UNIT)

    assert machine.unit(SOCKETS[0], "ActiveEnterTimestampMonotonic") == before


def test_a_service_that_cannot_start_does_not_keep_clients_waiting(
    machine: Machine,
) -> None:
    """Once refused, sendmail leaves its mail in the drop directory."""
    machine.push("/etc/maildrop/maildropd.conf.d/wrong.conf", "nonsense\n")
    machine.run("systemctl", "stop", UNIT)

    machine.run("python3", "-c", KNOCK, timeout=60)

    assert machine.unit(SOCKETS[1], "Result") == "trigger-limit-hit"
    machine.path("/etc/maildrop/maildropd.conf.d/wrong.conf").unlink()
    machine.run("systemctl", "start", UNIT)
    assert idle(machine, *RUNNING) == []


def test_the_daemon_alone_leaves_the_host_its_own_mta(
    bare: Machine, debs: Debs
) -> None:
    bare.run("apt-get", "install", "-qqy", "exim4-daemon-light", timeout=300)

    install(bare, debs.daemon)

    assert installed(bare, "exim4-daemon-light")
    assert idle(bare, *RUNNING) == []
    assert bare.run("realpath", "/usr/sbin/sendmail") == "/usr/sbin/exim4\n"


def test_the_mta_takes_the_place_of_another_without_a_question(
    bare: Machine, debs: Debs
) -> None:
    bare.run("apt-get", "install", "-qqy", "exim4-daemon-light", timeout=300)

    install(bare, *debs)

    assert not installed(bare, "exim4-daemon-light")
    for name in "/usr/lib/sendmail", "/usr/bin/mailq", "/usr/bin/newaliases":
        assert bare.run("realpath", name) == "/usr/sbin/sendmail\n"
    assert "maildropd-mta" in bare.run("dpkg", "-S", "/usr/sbin/sendmail")
    bare.run("dpkg", "--purge", "maildropd-mta", "maildropd")
    bare.run("apt-get", "purge", "-qqy", "exim4-base", "exim4-config")


def test_the_units_are_locked_up_well(machine: Machine) -> None:
    for unit, threshold in (
        (UNIT, 12),
        (SHOP, 12),
        ("maildropd-smtp.service", 3),
        ("maildropd-notify@x.service", 3),
        ("maildropd-notify-digest.service", 3),
    ):
        limit = f"--threshold={threshold}"
        machine.run("systemd-analyze", "security", "--no-pager", limit, unit)


def test_an_upgrade_restarts_all_that_runs_and_keeps_the_sockets(
    machine: Machine, debs: Debs, tmp_path: Path
) -> None:
    start_everything(machine)
    services, sockets = (UNIT, SHOP), (*SOCKETS, *SHOPS, SMTP)
    before = {unit: machine.unit(unit, "MainPID") for unit in services}
    since = {unit: machine.unit(unit, "ActiveEnterTimestamp") for unit in sockets}

    install(machine, *repacked(debs, tmp_path))

    assert idle(machine, *EVERYTHING) == []
    for unit, pid in before.items():
        assert machine.unit(unit, "MainPID") not in ("0", pid)
    for unit, moment in since.items():
        assert machine.unit(unit, "ActiveEnterTimestamp") == moment, unit


def test_a_service_that_runs_without_its_sockets_gets_them_by_an_upgrade(
    machine: Machine, debs: Debs, tmp_path: Path
) -> None:
    """The first version had none; and systemd adds none to a service that runs."""
    start_everything(machine)
    machine.run("systemctl", "stop", *SOCKETS, *SHOPS)
    assert idle(machine, UNIT, SHOP) == []

    install(machine, *repacked(debs, tmp_path))

    assert idle(machine, *EVERYTHING) == []
    for folder in "maildrop", "maildrop-shop":
        names = machine.path(f"/run/{folder}")
        shown = machine.run("ls", "/" + str(names.relative_to(machine.tree)))
        assert shown.split() == ["sendmail", "submission"]


def test_a_removal_stops_everything_and_keeps_mail_configuration_and_secrets(
    machine: Machine, debs: Debs
) -> None:
    machine.push("/etc/maildrop/credentials/smarthost", "secret\n", mode=0o600)
    start_everything(machine)

    machine.run("apt-get", "remove", "-qqy", "maildropd")

    assert [unit for unit in EVERYTHING if machine.is_active(unit)] == []
    assert [path for path in KEPT if not machine.path(path).exists()] == []
    assert not installed(machine, "maildropd-mta"), "it cannot stand alone"
    install(machine, *debs)
    until(lambda: not idle(machine, *EVERYTHING))


def test_a_purge_leaves_the_users_and_what_is_not_ours(machine: Machine) -> None:
    machine.path("/var/lib/maildropd-extra").mkdir()  # some other package's
    start_everything(machine)

    machine.run("apt-get", "purge", "-qqy", "maildropd")

    roots = ("/etc", "/run", "/usr", "/var/lib", "/var/spool")
    found = machine.run("find", *roots, "-xdev", "-name", "*maildrop*")
    assert sorted(found.split()) == ["/etc/maildrop", "/var/lib/maildropd-extra"]
    assert [path.name for path in machine.path("/etc/maildrop").iterdir()] == [
        "shop.conf"
    ]
    for user in "_maildrop", "_maildrop-notify", "_maildrop-smtp":
        assert machine.run("getent", "passwd", user)
    machine.path("/var/lib/maildropd-extra").rmdir()


def test_a_purge_passes_though_the_queue_is_a_disk_of_its_own(machine: Machine) -> None:
    """It ended half way, and the credentials and the spool stayed."""
    state, drop = "/var/lib/maildropd", "/var/spool/maildrop/drop"
    machine.push("/etc/maildrop/credentials/smarthost", "secret\n", mode=0o600)
    for disk in state, drop:
        machine.run("systemctl", "stop", "maildropd.path", *SOCKETS, UNIT)
        machine.run("mount", "--bind", disk, disk)
    machine.run("systemctl", "start", UNIT)
    try:
        machine.run("apt-get", "purge", "-qqy", "maildropd")
    finally:
        machine.run("umount", state, drop)

    assert list(machine.path(state).iterdir()) == []
    assert machine.run("find", "/var/spool/maildrop").split()[1:] == [drop]
    assert not machine.path("/etc/maildrop").exists()
    machine.run("rm", "-r", state, "/var/spool/maildrop")


KNOCK = """
import socket
for _ in range(1000):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(50)
    try:
        client.connect("/run/maildrop/sendmail")
        client.sendall(b"?")
        client.recv(1)
    except ConnectionResetError:
        pass
    except (ConnectionRefusedError, FileNotFoundError):
        break
else:
    raise SystemExit("never refused")
"""


def start_everything(machine: Machine) -> None:
    """Start what there is: an instance, and SMTP, beside the daemon."""
    machine.push("/etc/maildrop/shop.conf", "# Everything as it comes.\n")
    machine.run("systemctl", "enable", "--quiet", "--now", SHOP, SMTP)
    until(lambda: not idle(machine, *EVERYTHING))


def idle(machine: Machine, *units: str) -> list[str]:
    """Return those units that do not run."""
    return [unit for unit in units if not machine.is_active(unit)]


def installed(machine: Machine, package: str) -> bool:
    said = machine.attempt("dpkg-query", "-f${db:Status-Status}", "-W", package)
    return said.stdout == "installed"
