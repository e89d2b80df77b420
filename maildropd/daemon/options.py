# SPDX-License-Identifier: Apache-2.0
"""What the command line asks of the daemon."""

from dataclasses import dataclass
from pathlib import Path

from maildropd.config.layout import Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The daemon's command line, understood."""

    layout: Layout
    detach: bool = False
    pid_file: Path | None = None
    log_format: str | None = None  # journal, text or json; None finds out
