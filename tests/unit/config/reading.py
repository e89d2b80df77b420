# SPDX-License-Identifier: Apache-2.0
"""Write a configuration, and read it."""

from pathlib import Path

import pytest

from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read


def read_text(main: Path, text: str | bytes) -> Config:
    main.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return read(Layout.of_path(main))


def mistakes(main: Path, text: str | bytes) -> list[str]:
    """Return the mistakes, without the folder's name."""
    with pytest.raises(ConfigErrors) as caught:
        read_text(main, text)
    return [line.removeprefix(f"{main.parent}/") for line in caught.value.lines]


def add_file(main: Path, name: str, text: str) -> None:
    folder = main.with_name("maildropd.conf.d")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
