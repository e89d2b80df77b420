# SPDX-License-Identifier: Apache-2.0
"""Folders for what is tried thousands of times: in memory, where that can be."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MEMORY = "/dev/shm"
_GIVEN = "MAILDROPD_FUZZ_FOLDER"


def folder() -> Path:
    """Make a new one; whoever makes it removes it."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    place = os.environ.get(_GIVEN, place)
    return Path(tempfile.mkdtemp(prefix="maildropd-fuzz-", dir=place))


@contextmanager
def surroundings() -> Iterator[dict[str, str]]:
    """Give an environment whose folders go with it: libFuzzer ends without a word.

    Sets have one order in it, or a search would reach other code each time.
    """
    made = folder()
    try:
        yield {**os.environ, _GIVEN: str(made), "PYTHONHASHSEED": "0"}
    finally:
        shutil.rmtree(made)
