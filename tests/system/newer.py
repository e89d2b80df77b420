# SPDX-License-Identifier: Apache-2.0
"""The same packages under a higher version, as an upgrade would bring them."""

import subprocess
from pathlib import Path

from tests.system.conftest import Debs

VERSION = "99.0"


def repacked(debs: Debs, folder: Path) -> Debs:
    """Return both packages under the other version."""
    return Debs(*(_repacked(deb, folder) for deb in debs))


def _repacked(deb: Path, folder: Path) -> Path:
    name, _, architecture = deb.stem.split("_")
    tree, package = folder / name, folder / f"{name}_{VERSION}_{architecture}.deb"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    fields = control.read_text().splitlines()
    old = next(line for line in fields if line.startswith("Version: "))
    version = old.removeprefix("Version: ")
    new = [
        f"Version: {VERSION}"
        if line == old
        else line.replace(f"= {version}", f"= {VERSION}")
        for line in fields
    ]
    control.write_text("\n".join(new) + "\n")
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, package], check=True)
    return package
