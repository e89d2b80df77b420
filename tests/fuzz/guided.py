# SPDX-License-Identifier: Apache-2.0
"""One target under atheris: ``python3 -m tests.fuzz.guided TARGET [FLAG...]``.

libFuzzer owns its process and ends it, so each target has one of its own.
"""

import ctypes
import os
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it has no stubs

from tests.fuzz.targets import target

WORDS = Path(__file__).with_name("words.dict")
# <sys/personality.h>
_ADDR_NO_RANDOMIZE = 0x0040000
_ASK = 0xFFFFFFFF


def be_where_you_always_are() -> None:
    """Begin anew with all code and data at the same addresses, if the kernel lets us.

    libFuzzer remembers what was compared by the address that compared it.
    """
    personality = ctypes.CDLL(None).personality
    now = personality(_ASK)
    if now >= 0 and not now & _ADDR_NO_RANDOMIZE:
        personality(now | _ADDR_NO_RANDOMIZE)
        if personality(_ASK) & _ADDR_NO_RANDOMIZE:
            os.execv(sys.executable, sys.orig_argv)


def main(argv: list[str]) -> None:
    name, *flags = argv
    with atheris.instrument_imports(include=["maildropd"]):
        found = target(name)
    atheris.enabled_hooks.add("RegEx")
    atheris.Setup([name, f"-dict={WORDS}", *flags], found)
    atheris.Fuzz()


if __name__ == "__main__":
    be_where_you_always_are()
    main(sys.argv[1:])
