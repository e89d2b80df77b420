# SPDX-License-Identifier: Apache-2.0
"""The services keep their distance from the rest of the host."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.shape.house import ROOT

UNITS = ROOT / "packaging" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
# In tenths; what is left is the network, which is the daemon's purpose.
EXPOSURE = 12
LESS_EXPOSED: Mapping[str, int] = {
    "maildropd-notify-digest.service": 3,
    "maildropd-notify@.service": 3,
    "maildropd-smtp.service": 3,
}
Unit = dict[tuple[str, str], list[str]]  # values by section and key


def test_there_are_services() -> None:
    assert {unit.name for unit in SERVICES} >= {
        "maildropd.service",
        "maildropd@.service",
        *LESS_EXPOSED,
    }


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_service_is_exposed_no_more_than_it_must_be(unit: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing (systemd)")

    threshold = LESS_EXPOSED.get(unit.name, EXPOSURE)
    options = ["--offline=yes", "--no-pager", f"--threshold={threshold}"]
    judged = subprocess.run(
        ["systemd-analyze", "security", *options, str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "Overall exposure level" in judged.stdout


def test_an_instance_is_the_hosts_own_daemon_under_another_name() -> None:
    """What is changed in one of a pair must be changed in the other."""
    for kind in (
        "maildropd{}.service",
        "maildropd{}.socket",
        "maildropd-sendmail{}.socket",
    ):
        own = settings(UNITS / kind.format(""))
        instance = settings(UNITS / kind.format("@"))

        # Where they differ on purpose: each instance makes its own spool, and only
        # the host's daemon is woken by a file, and starts with the host's sockets.
        for section, keys in (
            ("Unit", ("Description", "RequiresMountsFor", "Wants")),
            ("Service", ("ExecStartPre",)),
            ("Install", ("WantedBy",)),
        ):
            for key in keys:
                own.pop((section, key), None)
                instance.pop((section, key), None)
        assert plain(own) == plain(instance), kind


def test_a_socket_of_a_running_service_starts_with_it() -> None:
    """systemd refuses to start one more later."""
    for name in "maildropd.service", "maildropd@.service":
        unit = settings(UNITS / name)
        at = "@%i" if "@" in name else ""
        sockets = {f"maildropd{at}.socket", f"maildropd-sendmail{at}.socket"}

        for key in "Wants", "After":
            assert sockets <= set(" ".join(unit["Unit", key]).split()), (name, key)


def settings(unit: Path) -> Unit:
    """Read a unit file."""
    found: Unit = {}
    section = ""
    for line in unit.read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"\[(.+)\]", line):
            section = heading[1]
        elif line and line[0] != "#":
            key, _, value = line.partition("=")
            found.setdefault((section, key), []).append(value)
    return found


def plain(unit: Unit) -> Unit:
    """Take the instance's name out of a unit's values."""
    removed = re.compile(r" --instance %i|[@-]%i| %i")
    return {
        key: sorted(removed.sub("", value).removeprefix("-") for value in values)
        for key, values in unit.items()
    }
