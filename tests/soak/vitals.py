# SPDX-License-Identifier: Apache-2.0
"""What a process holds: memory, descriptors, threads, children."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """One look at a process."""

    pid: int
    memory: int  # KiB that are in RAM
    descriptors: tuple[str, ...]  # what each leads to, without numbers
    threads: int
    children: int


def vitals(pid: int) -> Vitals:
    """Look at a process."""
    root = Path(f"/proc/{pid}")
    found = re.search(r"VmRSS:\s+(\d+)", (root / "status").read_text())
    assert found, "no VmRSS"
    tasks = list((root / "task").iterdir())
    children = [(task / "children").read_text().split() for task in tasks]
    return Vitals(
        pid=pid,
        memory=int(found[1]),
        descriptors=tuple(sorted(_open(root / "fd"))),
        threads=len(tasks),
        children=sum(map(len, children)),
    )


def growth(before: Vitals, after: Vitals, memory: int, threads: int) -> list[str]:
    """Return what has grown between two rests, beyond these allowances."""
    found = []
    if after.memory > before.memory + memory:
        found.append(f"memory grew from {before.memory} to {after.memory} KiB")
    more = Counter(after.descriptors) - Counter(before.descriptors)
    if more:
        found.append(f"descriptors leaked: {dict(more)}")
    if after.threads > before.threads + threads:
        found.append(f"threads grew from {before.threads} to {after.threads}")
    if after.children:
        found.append(f"{after.children} children left")
    return found


def _open(folder: Path) -> Iterator[str]:
    for descriptor in folder.iterdir():
        with suppress(FileNotFoundError):  # closed by now
            yield _NUMBER.sub("", os.readlink(descriptor))
