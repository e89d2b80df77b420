# SPDX-License-Identifier: Apache-2.0
"""The machines of the system tests; what is costly is made once."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import pytest

from tests.system.host import Host
from tests.system.machine import Machine
from tests.system.office import PACKAGES as PROGRAMS
from tests.system.office import Office
from tests.system.postfix import PACKAGES, Postfix
from tests.system.root import cache_folder, root_tar, root_with, unpack
from tests.system.wire import Wire, wire

CHECKOUT = Path(__file__).parents[2]


class Debs(NamedTuple):
    """Our two packages; the second needs the first."""

    daemon: Path
    mta: Path

    @classmethod
    def within(cls, folder: Path) -> Self:
        (daemon,) = folder.glob("maildropd_*.deb")
        (mta,) = folder.glob("maildropd-mta_*.deb")
        return cls(daemon, mta)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, Any, None]:
    """Show with a failure what the machine's journal said last."""
    result = yield
    report: pytest.TestReport = result.get_result()
    for thing in item.funcargs.values() if report.failed else ():
        machine = thing.machine if isinstance(thing, Host | Office) else thing
        if isinstance(machine, Machine):
            said = machine.attempt("journalctl", "--lines=40", "--no-hostname").stdout
            report.sections.append((f"journal of {machine.name}", said))


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    """A folder for disks; on a real file system, unlike many a /tmp."""
    assert os.geteuid() == 0, "the system tests boot machines: only root can"
    for left in cache_folder().glob("disks-*"):
        pid = left.name.removeprefix("disks-")
        if pid.isdigit() and not Path("/proc", pid).exists():  # that run was killed
            shutil.rmtree(left, ignore_errors=True)
    folder = cache_folder() / f"disks-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def the_wire() -> Iterator[Wire]:
    with wire() as both:
        yield both


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Debs:
    """The packages, built from this checkout; or MAILDROPD_DEBS, to save time."""
    if given := os.environ.get("MAILDROPD_DEBS"):
        return Debs.within(Path(given))
    folder = tmp_path_factory.mktemp("debs")
    built = subprocess.run(
        [CHECKOUT / "scripts/build-deb", "--no-check", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, f"{built.stdout}{built.stderr}"[-4000:]
    return Debs.within(folder)


@pytest.fixture(scope="session")
def the_smarthost(workshop: Path, the_wire: Wire) -> Iterator[Postfix]:
    disk = workshop / "smarthost"
    unpack(root_with(*PACKAGES), disk)
    _give_identity(disk)
    namespace = the_wire.far.namespace
    postfix = Postfix(Machine("smarthost", disk, namespace=namespace))
    try:
        postfix.start()
        yield postfix
    finally:
        postfix.machine.poweroff()


@pytest.fixture
def smarthost(the_smarthost: Postfix) -> Iterator[Postfix]:
    """The smarthost, up and with an empty mailbox."""
    the_smarthost.forget()
    yield the_smarthost
    the_smarthost.up()


@pytest.fixture(scope="module")
def bare(workshop: Path, the_wire: Wire) -> Iterator[Machine]:
    """A Debian on which nothing of ours was ever installed."""
    disk = workshop / "bare"
    unpack(root_tar(), disk)
    yield from _booted("bare", disk, the_wire)


@pytest.fixture(scope="session")
def the_host(workshop: Path, the_wire: Wire, debs: Debs) -> Iterator[Host]:
    """A machine with the packages installed; each test resets what it did."""
    disk = workshop / "drop"
    unpack(root_tar(), disk)
    for machine in _booted("drop", disk, the_wire):
        install(machine, *debs)
        host = Host(machine=machine)
        host.furnish(the_wire.far.address)
        host.reset()
        yield host


@pytest.fixture
def host(the_host: Host, smarthost: Postfix) -> Iterator[Host]:
    """The machine, set up for the smarthost; nothing of ours runs yet."""
    the_host.trust(smarthost.authority)
    the_host.configure()
    yield the_host
    the_host.reset()


@pytest.fixture(scope="session")
def the_office(workshop: Path, the_wire: Wire, debs: Debs) -> Iterator[Office]:
    """A machine full of programs that send mail, with our packages installed."""
    disk = workshop / "office"
    unpack(root_tar(*PROGRAMS), disk)
    _give_identity(disk)
    machine = Machine("office", disk, namespace=the_wire.near.namespace)
    office = Office(host=Host(machine=machine))
    try:
        office.calm()
        machine.boot()
        install(machine, *debs)
        office.furnish(the_wire.far.address)
        machine.poweroff()
        yield office
    finally:
        machine.poweroff()
        shutil.rmtree(disk)


@pytest.fixture(scope="module")
def office(the_office: Office, the_smarthost: Postfix) -> Iterator[Office]:
    """The office, running; between modules it is off.

    All machines at the near end of the wire share its loopback, and only one
    can have port 25.
    """
    the_office.machine.boot()
    the_office.host.trust(the_smarthost.authority)
    yield the_office
    the_office.host.reset()
    the_office.machine.poweroff()


def install(machine: Machine, *packages: Path) -> None:
    """Install packages with their dependencies, as the manual says."""
    for package in packages:
        shutil.copy(package, machine.path("/root"))
    names = " ".join(f"./{package.name}" for package in packages)
    command = f"cd /root && apt install -qqy --allow-downgrades {names}"
    machine.run("sh", "-c", command)


def _booted(name: str, disk: Path, both: Wire) -> Iterator[Machine]:
    _give_identity(disk)
    machine = Machine(name, disk, namespace=both.near.namespace)
    machine.boot()
    try:
        yield machine
    finally:
        machine.poweroff()
        shutil.rmtree(disk)


def _give_identity(disk: Path) -> None:
    """Without one, systemd takes it for a first boot and enables every unit."""
    (disk / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
