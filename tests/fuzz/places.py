# SPDX-License-Identifier: Apache-2.0
"""Folders for what is tried thousands of times: in memory, where that can be."""

import os
import tempfile
from pathlib import Path

_MEMORY = "/dev/shm"


def folder() -> Path:
    """Make a new one; whoever makes it removes it."""
    place = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="maildropd-fuzz-", dir=place))
