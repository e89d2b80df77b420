# SPDX-License-Identifier: Apache-2.0
"""On what was measured, and when."""

import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def described(folder: Path) -> str:
    """Return date, processors, kernel, and the file system of a folder."""
    found = re.search(
        r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE
    )
    model = found[1] if found else platform.machine()
    kind = subprocess.run(
        ["/usr/bin/df", "--output=fstype,source", folder],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()[-1]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} x {model},"
        f" Linux {platform.release()}, Python {platform.python_version()},"
        f" {' on '.join(kind.split())}, load {os.getloadavg()[0]:.1f} at the end"
    )
