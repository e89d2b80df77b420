# SPDX-License-Identifier: Apache-2.0
"""Numbers and times as people read them; nothing that could steer a terminal."""

from datetime import datetime, timedelta

_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def size(octets: int) -> str:
    """Return ``512``, ``2.1K``, ``25M``."""
    if octets < 1024:
        return str(octets)
    number = float(octets)
    for unit in "KMGT":
        number /= 1024
        if number < 1023.5 or unit == "T":
            return f"{number:.1f}{unit}" if number < 9.95 else f"{number:.0f}{unit}"
    raise AssertionError


def span(delta: timedelta) -> str:
    """Return the two largest units that say something, ``3h 12min``."""
    rest = max(0, round(delta.total_seconds()))
    parts: list[str] = []
    for unit, length in _UNITS:
        number, rest = divmod(rest, length)
        if number or parts:
            parts.append(f"{number}{unit}" if number else "")
    return " ".join(filter(None, parts[:2])) or "0s"


def moment(at: datetime) -> str:
    """Return the local time."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def clean(text: object) -> str:
    """Escape what a terminal would act upon."""
    said = str(text)
    if said.isprintable():
        return said
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in said)


def count(number: int, word: str) -> str:
    """Return ``1 message``, ``2 messages``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
