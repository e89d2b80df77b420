# SPDX-License-Identifier: Apache-2.0
"""How a search is begun: in a process of its own, with bounds of time and memory."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
_LONGEST = 4096  # octets of an input
_PATIENCE = 20  # seconds for one input
_MEMORY = 1500  # MB


def command(
    parser: str, work: Path, *, seconds: int, seed: int, runs: int = -1
) -> list[str]:
    """Return the command that searches for octets that break a parser.

    So many ``runs`` of one seed are the same on a slow machine and a fast one.
    What is new in ``work`` is kept there; so is what breaks, with the
    parser's name before it.
    """
    kept = work / parser
    kept.mkdir(parents=True, exist_ok=True)
    known = [str(CORPUS / parser)] if (CORPUS / parser).is_dir() else []
    return [
        *(sys.executable, "-m", "tests.fuzz.guided", parser),
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-runs={runs}",
        "-reload=0",  # each second: it would run what another process has found
        f"-max_len={_LONGEST}",
        f"-timeout={_PATIENCE}",
        f"-rss_limit_mb={_MEMORY}",
        f"-artifact_prefix={work}/{parser}-",
        str(kept),
        *known,
    ]
