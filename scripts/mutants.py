# SPDX-License-Identifier: Apache-2.0
"""Break each safeguard once, and see that a test goes red.

    python3 scripts/mutants.py              all of tests/mutants.toml
    python3 scripts/mutants.py fence sync   those with such a word in their name

Works in a copy of the checkout.  Ends with a table, and with 1 if one lives.
Uses the interpreter it is run by, which must have pytest.
"""

import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
LIMIT = 600.0  # seconds; a mutant that makes a test hang is killed, too


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One safeguard taken out, and the tests that must notice."""

    name: str
    file: str
    before: str
    after: str
    killers: tuple[str, ...]

    def applied(self, home: Path) -> str:
        """Break the file; return what it was."""
        path = home / self.file
        whole = path.read_text("utf-8")
        if whole.count(self.before) != 1:
            raise SystemExit(f"mutants: {self.name}: not once in {self.file}")
        path.write_text(whole.replace(self.before, self.after), "utf-8")
        return whole


def main(words: Sequence[str]) -> int:
    """Run the mutants whose names hold one of the words."""
    chosen = [each for each in mutants() if _fits(each.name, words)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        home = Path(folder) / "maildropd"
        shutil.copytree(HOME, home, ignore=shutil.ignore_patterns(".git", ".cache"))
        alive = [each.name for each in chosen if not killed(each, home)]
    print(f"{len(chosen) - len(alive)} killed, {len(alive)} alive")
    return 1 if alive else 0


def mutants() -> list[Mutant]:
    """Read the list."""
    with (HOME / "tests" / "mutants.toml").open("rb") as file:
        rows = tomllib.load(file)["mutant"]
    return [Mutant(**{**row, "killers": tuple(row["killers"])}) for row in rows]


def killed(mutant: Mutant, home: Path) -> bool:
    """Tell whether the tests named for a mutant fail on it; print which did."""
    start = time.monotonic()
    whole = mutant.applied(home)
    try:
        verdict = _verdict(mutant, home)
    finally:
        (home / mutant.file).write_text(whole, "utf-8")
    seconds = time.monotonic() - start
    print(f"{mutant.name:58} {verdict or 'ALIVE'} ({seconds:.0f} s)", flush=True)
    return verdict is not None


def _verdict(mutant: Mutant, home: Path) -> str | None:
    options = ("-qx", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-rfE")
    try:
        done = subprocess.run(
            [sys.executable, "-B", "-m", "pytest", *options, *mutant.killers],
            cwd=home,
            check=False,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return "hung"
    if done.returncode == 0:
        return None
    if done.returncode > 1:
        raise SystemExit(f"mutants: {mutant.name}: no tests ran\n{done.stdout}")
    red = [line for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    return red[0].split()[1].rpartition("/")[2] if red else "an error"


def _fits(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
