# SPDX-License-Identifier: Apache-2.0
"""The packages keep Debian's rules, and come out the same wherever they are built."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.system.conftest import CHECKOUT, Debs, install
from tests.system.host import UNIT
from tests.system.machine import Machine
from tests.system.root import root_tar, unpack

UNITS = (
    UNIT,
    "maildropd.path",
    "maildropd.socket",
    "maildropd-sendmail.socket",
    "maildropd-smtp.service",
    "maildropd-smtp.socket",
    "maildropd-notify@shop.service",
    "maildropd-notify-digest.service",
    "maildropd-notify-digest.timer",
    "maildropd@shop.service",
    "maildropd@shop.socket",
    "maildropd-sendmail@shop.socket",
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a full build makes: source, packages, and the list of them."""
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

    for what in "maildropd_*.deb", "maildropd-mta_*.deb", "*.tar.xz", "*.dsc":
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
        *Debs.within(built),
        TMPDIR=str(workshop),
    )

    assert "PASS: All tests" in said


def test_the_tests_in_the_package_pass(bare: Machine, built: Path) -> None:
    for deb in Debs.within(built):
        shutil.copy(deb, bare.path("/root"))
    tree = bare.path("/root/tree")
    tree.mkdir()
    run("tar", "-C", tree, "--strip-components=1", "-xf", only(built, "*.tar.xz"))
    (tree / "debian/files").touch()  # else it would want to build it again
    bare.run("apt-get", "install", "-qqy", "autopkgtest")

    packages = (f"/root/{deb.name}" for deb in Debs.within(built))
    command = ("autopkgtest", "--no-built-binaries", *packages, "/root/tree")
    said = bare.attempt(*command, "--", "null", timeout=600)

    assert said.returncode == 0, f"{said.stdout}{said.stderr}"[-6000:]
    bare.run("apt-get", "purge", "-qqy", "maildropd", "maildropd-mta")


def test_the_units_are_right_in_every_line(bare: Machine, built: Path) -> None:
    install(bare, *Debs.within(built))

    said = bare.attempt("systemd-analyze", "verify", *UNITS)

    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_sendmail_is_hardened_as_debian_can(built: Path, tmp_path: Path) -> None:
    """Position-independent, no lazy binding, a guarded stack, checked calls."""
    run("dpkg-deb", "-x", Debs.within(built).mta, tmp_path)
    program = tmp_path / "usr/sbin/sendmail"

    said = run("readelf", "--wide", "--all", program)

    assert "DYN (Position-Independent Executable file)" in said
    assert "GNU_RELRO" in said
    assert "Flags: NOW PIE" in said
    assert "__stack_chk_fail" in said
    assert re.search(r"__\w+_chk@", said)
    assert not re.search(r"GNU_STACK .* RWE ", said)
    assert program.stat().st_mode & 0o7777 == 0o755, "no special rights"


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
