# SPDX-License-Identifier: Apache-2.0
"""``maildropctl import-config``: ours made from theirs, checked, and written.

Nothing is written unless told, nothing that is there is replaced unless told,
and nothing that the daemon would refuse is written at all.
"""

import os
import re
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from maildropd.cli.desk import Failed
from maildropd.cli.words import clean
from maildropd.config.errors import ConfigErrors, nearest
from maildropd.config.layout import Layout
from maildropd.config.read import read
from maildropd.config.said import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.systems import SYSTEMS, System
from maildropd.host import durable

_CREDENTIAL = re.compile(r"(?m)^(\w*)_credential = (.*)$")


def chosen(name: str) -> System:
    """Return a system by its name; raise ``Failed``."""
    if name not in SYSTEMS:
        known = ", ".join(SYSTEMS)
        hint = nearest(name, SYSTEMS)
        raise Failed(clean(f"{name}: is none of {known}{hint}"))
    return SYSTEMS[name]


def run(layout: Layout, found: Namespace) -> Iterator[str]:
    """Yield what there is to say; raise ``Failed`` where nothing was written."""
    system = chosen(found.system)
    try:
        imported = _imported(system, found)
    except Unreadable as error:
        raise Failed(clean(error)) from error
    plan = _plan(layout, found, imported)
    _check(layout, plan)
    if found.write:
        yield from plan.written(force=found.force)
    else:
        yield from plan.text.removesuffix("\n").split("\n")
        yield from plan.announced()


def _imported(system: System, found: Namespace) -> Imported:
    if not found.which:
        return system.imported(found.file)
    if system.instance is None:
        raise Failed(clean(f"{found.system}: has no instances (leave out --instance)"))
    return system.instance(found.file, found.which)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What is to be written where."""

    path: Path
    text: str
    secrets: Mapping[Path, bytes]
    remarks: tuple[str, ...]

    def others(self) -> Iterator[str]:
        """Say so where another system was imported before: both count, key by key."""
        for path in sorted(self.path.parent.glob("50-imported-*.conf")):
            if path != self.path:
                yield f"{path}: is there, too; of a key in both, the later counts"

    def announced(self) -> Iterator[str]:
        yield f"# --write makes this file: {self.path}"
        yield from (f"# and one with a password: {path}" for path in self.secrets)
        yield from (f"# {line}" for line in self.others())

    def written(self, *, force: bool) -> Iterator[str]:
        """Write secrets first: a configuration never names one that is missing."""
        contents = {**self.secrets, self.path: self.text.encode()}
        pending = {p: octets for p, octets in contents.items() if not _is(p, octets)}
        taken = [path for path in pending if os.path.lexists(path)]
        if taken and not force:
            raise Failed(
                *(f"{path}: is there already, with other content" for path in taken),
                "nothing was written (--force replaces what is there)",
            )
        for path, octets in pending.items():
            secret = path in self.secrets
            durable.make_directory(path.parent, 0o700 if secret else 0o755)
            durable.replace(path, [octets], 0o600 if secret else 0o644)
            yield f"{path}: written"
        yield from (
            f"{path}: is up to date" for path in contents if path not in pending
        )
        yield from self.remarks
        yield from self.others()


def _is(path: Path, octets: bytes) -> bool:
    with suppress(OSError):
        return path.is_file() and path.read_bytes() == octets
    return False


def _plan(layout: Layout, found: Namespace, imported: Imported) -> _Plan:
    text, folder = imported.config, layout.config.parent / "credentials"
    if found.secrets is not None:
        folder = found.secrets.absolute()
        text = _CREDENTIAL.sub(rf"\1_file = {folder}/\2", text)
    remarks = tuple(clean(remark) for remark in imported.remarks)
    if remarks:
        said = "".join(f"#   {remark}\n" for remark in remarks)
        text += f"\n# What has no equal here, or another meaning:\n#\n{said}"
    name = f"50-imported-{found.system}.conf"
    return _Plan(
        path=layout.config.with_suffix(".conf.d") / name,
        text=text,
        secrets={folder / name: value for name, value in imported.secrets.items()},
        remarks=remarks,
    )


def _check(layout: Layout, plan: _Plan) -> None:
    """Have the daemon's own reader read all files with this one among them."""
    with tempfile.TemporaryDirectory(prefix="maildropctl-") as scratch:
        copy = replace(layout, config=Path(scratch, "maildropd.conf"))
        folder = copy.config.with_suffix(".conf.d")
        folder.mkdir()
        copy.config.touch()
        try:
            present = files(layout)
        except ConfigErrors as errors:
            raise Failed(*errors.lines) from errors
        for path in present:
            target = copy.config if path == layout.config else folder / path.name
            with suppress(FileNotFoundError):  # the main file need not be there
                shutil.copyfile(path, target)
        (folder / plan.path.name).write_text(plan.text)
        try:
            read(copy)
        except ConfigErrors as errors:
            original = str(layout.config.parent)
            lines = [line.replace(scratch, original) for line in errors.lines]
            words = "nothing was written: the daemon would refuse this configuration"
            raise Failed(*lines, words) from errors
