# SPDX-License-Identifier: Apache-2.0
"""The script in ``bin/`` of a buildout, which finds again what its maker had."""

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

_LONGEST = 120  # of a first line; the kernel cuts it at 127
_TEXT = """\
{first}
# Made by buildout; changes are lost.
import sys

sys.path[0:0] = {home!r}
sys.path += [each for each in {path!r} if each not in sys.path]

from maildropd.integrations.buildout_control import main

if __name__ == "__main__":
    sys.exit(main({config!r}))
"""


def script(path: Path, python: str, modules: Sequence[str], config: str) -> None:
    """Write a script that runs the control of one configuration.

    The first of the modules is ours, and found before all others.
    """
    first = f"#!{python}"
    if len(first) > _LONGEST or " " in python:
        first = f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''"
    home, *folders = dict.fromkeys(_folders(modules))
    text = _TEXT.format(first=first, home=[home], path=folders, config=config)
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_text(text, "utf-8")
    unfinished.chmod(0o755)
    os.replace(unfinished, path)


def _folders(modules: Sequence[str]) -> Iterator[str]:
    """Yield where on ``sys.path`` the modules are that can be imported now."""
    for name in modules:
        found = find_spec(name)
        if found is None or found.origin is None:
            continue
        folder = Path(found.origin).parent
        yield str(folder.parent if found.submodule_search_locations else folder)
