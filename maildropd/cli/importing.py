# SPDX-License-Identifier: Apache-2.0
"""The arguments of the commands that take over from another system."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from maildropd.config.layout import Layout


def add_to(commands: Any) -> None:
    """Add them to the parser's commands."""
    config = commands.add_parser("import-config", help="take over a configuration")
    config.add_argument("system", metavar="SYSTEM")
    config.add_argument("file", metavar="FILE", type=Path)
    config.add_argument("--write", action="store_true", help="write it")
    config.add_argument("--force", action="store_true", help="replace what is there")
    config.add_argument(
        "--secrets", type=Path, metavar="DIR", help="where passwords are kept"
    )
    config.add_argument(
        "--instance", dest="which", metavar="NAME", help="the one of gs.email's"
    )
    queue = commands.add_parser("import-queue", help="take over what waits")
    queue.add_argument("system", metavar="SYSTEM")
    queue.add_argument("folder", metavar="DIR", type=Path)
    queue.add_argument("--dry-run", action="store_true", help="only say what it would")
    queue.add_argument("--hold", action="store_true", help="let nothing leave yet")
    queue.add_argument(
        "--remove", action="store_true", help="then remove what is safe here"
    )


def config(layout: Layout, found: Namespace) -> Iterator[str]:
    """Do import-config."""
    # It knows nine systems, which the other commands do without.
    from maildropd.cli.import_config import run

    return run(layout, found)


def queue(layout: Layout, found: Namespace) -> Iterator[str]:
    """Do import-queue."""
    from maildropd.cli.import_run import run

    return run(layout, found)
