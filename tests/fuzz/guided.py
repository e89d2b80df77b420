# SPDX-License-Identifier: Apache-2.0
"""One target under atheris: ``python3 -m tests.fuzz.guided TARGET [FLAG...]``.

libFuzzer owns its process and ends it, so each target has one of its own.
"""

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it has no stubs

from tests.fuzz.targets import target

WORDS = Path(__file__).with_name("words.dict")


def main(argv: list[str]) -> None:
    name, *flags = argv
    with atheris.instrument_imports(include=["maildropd"]):
        found = target(name)
    atheris.enabled_hooks.add("RegEx")
    atheris.Setup([name, f"-dict={WORDS}", *flags], found)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
