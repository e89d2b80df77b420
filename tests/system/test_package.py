# SPDX-License-Identifier: Apache-2.0
"""The package keeps Debian's rules, comes out the same, and goes when it is told."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.system.conftest import CHECKOUT, install
from tests.system.host import UNIT
from tests.system.machine import Machine, until
from tests.system.root import root_tar, unpack

UNITS = (UNIT, "maildropd.path", "maildropd@shop.service")
KEPT = (
    "/etc/maildrop/credentials/smarthost",
    "/etc/maildrop/maildropd.conf",
    "/etc/maildrop/shop.conf",
    "/var/lib/maildropd/queue.db",
    "/var/lib/maildropd-shop/queue.db",
    "/var/spool/maildrop/drop",
    "/var/spool/maildrop-shop/drop",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a full build makes: source, package, and the list of both."""
    folder = tmp_path_factory.mktemp("built")
    run(CHECKOUT / "scripts/build-deb", folder)
    return folder


def test_lintian_has_nothing_to_say(built: Path) -> None:
    levels = ("--pedantic", "--display-experimental", "--display-info")

    said = run("lintian", "--allow-root", *levels, only(built, "*.changes"))

    assert said == ""


def test_somebody_else_gets_the_same_bytes_from_the_source_package(
    built: Path, tmp_path: Path
) -> None:
    tree, target = tmp_path / "elsewhere", tmp_path / "deep/er/target"
    tree.mkdir(mode=0o700)
    # Without -p the modes are masked, with -m the files are of today.
    source = only(built, "*.tar.xz")
    run("tar", "-C", tree, "--strip-components=1", "-xmf", source, umask=0o077)
    (tree / "debian").rename(tree / "packaging/debian")

    run(
        tree / "scripts/build-deb",
        target,
        umask=0o077,
        DEB_BUILD_OPTIONS="nocheck",
        HOME=str(tmp_path),
        LANG="de_DE.UTF-8",
        TZ="Pacific/Kiritimati",
    )

    for what in "*.deb", "*.tar.xz", "*.dsc":
        assert only(target, what).read_bytes() == only(built, what).read_bytes()


def test_piuparts_finds_nothing_broken_and_nothing_left_behind(
    built: Path, workshop: Path
) -> None:
    tree, base = workshop / "base", workshop / "base.tar.gz"
    unpack(root_tar(), tree)
    forget_what_was_left_out(tree)
    run("tar", "-C", tree, "--numeric-owner", "-czf", base, ".")

    said = run(
        "piuparts",
        f"--basetgz={base}",
        "--distribution=bookworm",
        "--keep-sources-list",  # its packages lie in the root itself
        "--no-eatmydata",
        only(built, "*.deb"),
        TMPDIR=str(workshop),
    )

    assert "PASS: All tests" in said


def test_the_tests_in_the_package_pass(bare: Machine, built: Path) -> None:
    shutil.copy(only(built, "*.deb"), bare.path("/root/maildropd.deb"))
    tree = bare.path("/root/tree")
    tree.mkdir()
    run("tar", "-C", tree, "--strip-components=1", "-xf", only(built, "*.tar.xz"))
    (tree / "debian/files").touch()  # else it would want to build it again
    bare.run("apt-get", "install", "-qqy", "autopkgtest")

    package = ("--no-built-binaries", "/root/maildropd.deb", "/root/tree")
    said = bare.attempt("autopkgtest", *package, "--", "null", timeout=600)

    assert said.returncode == 0, f"{said.stdout}{said.stderr}"[-6000:]
    bare.run("apt-get", "purge", "-qqy", "maildropd")


def test_the_units_are_right_in_every_line(bare: Machine, built: Path) -> None:
    install(bare, only(built, "*.deb"))

    said = bare.attempt("systemd-analyze", "verify", *UNITS)

    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_an_upgrade_restarts_named_instances_too(bare: Machine, built: Path) -> None:
    install(bare, only(built, "*.deb"))
    bare.push("/etc/maildrop/shop.conf", "# Everything as it comes.\n")
    bare.run("systemctl", "enable", "--quiet", "--now", "maildropd@shop")
    before = {unit: bare.unit(unit, "MainPID") for unit in (UNIT, UNITS[-1])}

    bare.run("dpkg", "--install", f"/root/{only(built, '*.deb').name}")

    for unit, pid in before.items():
        assert bare.is_active(unit)
        assert bare.unit(unit, "MainPID") not in ("0", pid)


def test_a_removal_stops_everything_and_keeps_mail_configuration_and_secrets(
    bare: Machine, built: Path
) -> None:
    install(bare, only(built, "*.deb"))
    bare.push("/etc/maildrop/credentials/smarthost", "secret\n", mode=0o600)
    bare.push("/etc/maildrop/shop.conf", "# Everything as it comes.\n")
    bare.run("systemctl", "enable", "--quiet", "--now", "maildropd@shop")

    bare.run("apt-get", "remove", "-qqy", "maildropd")

    assert [unit for unit in UNITS if bare.is_active(unit)] == []
    assert missing(bare) == []
    install(bare, only(built, "*.deb"))
    until(lambda: all(bare.is_active(unit) for unit in UNITS))


def test_a_purge_leaves_the_user_and_what_is_not_ours(
    bare: Machine, built: Path
) -> None:
    install(bare, only(built, "*.deb"))
    bare.push("/etc/maildrop/shop.conf", "# Everything as it comes.\n")
    bare.path("/var/lib/maildropd-extra").mkdir()  # some other package's
    bare.run("systemctl", "enable", "--quiet", "--now", "maildropd@shop")

    bare.run("apt-get", "purge", "-qqy", "maildropd")

    roots = ("/etc", "/run", "/usr", "/var/lib", "/var/spool")
    found = bare.run("find", *roots, "-xdev", "-name", "*maildrop*")
    assert sorted(found.split()) == ["/etc/maildrop", "/var/lib/maildropd-extra"]
    assert sorted(path.name for path in bare.path("/etc/maildrop").iterdir()) == [
        "shop.conf"
    ]
    assert bare.run("getent", "passwd", "_maildrop")


def missing(machine: Machine) -> list[str]:
    """Return what a removal took of what it has to leave."""
    return [path for path in KEPT if not machine.path(path).exists()]


def forget_what_was_left_out(tree: Path) -> None:
    """Make dpkg's lists agree with a root that has no documentation.

    Otherwise its files are reported as lost, and the lists as changed.
    """
    for file in (tree / "var/lib/dpkg/info").iterdir():
        if file.suffix not in (".list", ".md5sums"):
            continue
        lines = file.read_text("utf-8").splitlines(keepends=True)
        there = [
            line
            for line in lines
            if os.path.lexists(tree / line.split("  ")[-1].strip().lstrip("/"))
        ]
        file.write_text("".join(there), "utf-8")
        if not there:
            file.unlink()


def only(folder: Path, pattern: str) -> Path:
    """Return the one file of that kind."""
    (found,) = folder.glob(pattern)
    return found


def run(*command: str | Path, umask: int = 0o022, **environment: str) -> str:
    """Run a command; return all it said, or fail with the end of it."""
    surroundings: Mapping[str, str] = {**os.environ, **environment}
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=surroundings,
        umask=umask,
        timeout=900,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}"[-6000:]
    return done.stdout
