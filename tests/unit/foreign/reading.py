# SPDX-License-Identifier: Apache-2.0
"""A configuration of theirs, imported, and read by the daemon's own reader."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read
from maildropd.foreign.imported import Imported


@dataclass(frozen=True, kw_only=True)
class Ours:
    """What became of it."""

    config: Config
    imported: Imported

    @property
    def remarked(self) -> list[str]:
        """Return the keys of the remarks."""
        return [remark.key for remark in self.imported.remarks]


def ours(reader: Callable[[Path], Imported], path: Path) -> Ours:
    """Import a file or folder; a ``ConfigErrors`` would be a bug of the reader's."""
    imported = reader(path)
    folder = path.parent / "ours"
    folder.mkdir()
    (folder / "maildropd.conf").write_text(imported.config)
    return Ours(config=read(Layout.of_path(folder)), imported=imported)
