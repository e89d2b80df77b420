# SPDX-License-Identifier: Apache-2.0
"""How a value is read, by the type of its field in the model.

Every function takes the text and returns the value, or raises ``ValueError``
with words that follow the value: ``is not a duration (try 5min)``.
"""

import os
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args

from maildropd.config import pattern
from maildropd.config.errors import nearest
from maildropd.config.model import ByteRate, Size
from maildropd.config.rate import Rate
from maildropd.config.routes import Patterns, Share, Shares
from maildropd.mail.reply import Reply

_PART = re.compile(r"([0-9]{1,12})\s*([A-Za-z]+)\s*")
_PARTS = re.compile(rf"(?:{_PART.pattern})+")
_LONGEST = timedelta(weeks=520)
_MILLISECONDS: Mapping[str, int] = {
    **dict.fromkeys(("ms", "msec"), 1),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1000),
    **dict.fromkeys(("min", "m", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
    **dict.fromkeys(("w", "week", "weeks"), 604_800_000),
}
_OCTETS: Mapping[str, int] = {
    "B": 1,
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
    "T": 1 << 40,
}
_LARGEST = 1 << 50  # octets; no file system of ours holds a larger file
_PATH_LIMIT = 4095  # octets; the kernel's
_BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("yes", "true", "on", "1"), True),
    **dict.fromkeys(("no", "false", "off", "0"), False),
}


def reader(kind: Any, folder: Path) -> Callable[[str], object]:
    """Return the function that reads values of a field's type.

    ``folder`` is where relative paths begin.
    """
    if kind in (Path, Path | None):
        return lambda text: path(text, folder)
    kind = _without_none(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return lambda text: choice(text, kind)
    readers: Mapping[Any, Callable[[str], object]] = {
        timedelta: duration,
        Size: size,
        bool: boolean,
        int: integer,
        str: words,
        tuple[str, ...]: several,
        Rate: rate,
        ByteRate: byte_rate,
        Patterns: patterns,
        Shares: shares,
        Reply: refusal,
    }
    return readers[kind]


def _without_none(kind: Any) -> Any:
    """Return what a value is when there is one."""
    kinds = [each for each in get_args(kind) if each is not type(None)]
    return kinds[0] if type(None) in get_args(kind) else kind


def duration(text: str) -> timedelta:
    """Read ``5min``, ``1h30min``, ``2d 12h``, ``500ms``; 0 needs no unit."""
    if text == "0":
        return timedelta(0)
    if re.fullmatch(r"[0-9]{1,12}", text):
        raise ValueError(f"has no unit (try {text}s or {text}min)")
    parts = _PART.findall(text) if _PARTS.fullmatch(text) else []
    if not parts or any(unit not in _MILLISECONDS for _, unit in parts):
        digits = re.match(r"[0-9]{1,3}", text)
        raise ValueError(f"is not a duration (try {digits[0] if digits else 5}min)")
    total = sum(int(number) * _MILLISECONDS[unit] for number, unit in parts)
    if total > _LONGEST / timedelta(milliseconds=1):
        raise ValueError("is too long (at most 520w)")
    return timedelta(milliseconds=total)


def size(text: str) -> Size:
    """Read ``25M``, ``64K``, ``1G``, ``512B``; each step is 1024."""
    found = re.fullmatch(r"([0-9]{1,18})\s*([A-Za-z]*)", text)
    if found and not found[2]:
        raise ValueError(f"has no unit (try {text}M or {text}K)")
    if not found or found[2].upper() not in _OCTETS:
        digits = found[1] if found else "25"
        raise ValueError(f"is not a size (try {digits}M)")
    octets = int(found[1]) * _OCTETS[found[2].upper()]
    if octets > _LARGEST:
        raise ValueError("is too large (at most 1024T)")
    return Size(octets)


def boolean(text: str) -> bool:
    """Read yes or no, in systemd's ways of saying so."""
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError("is neither yes nor no") from None


def integer(text: str) -> int:
    """Read a whole number."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("is not a whole number")
    return int(text)


def choice(text: str, kind: type[StrEnum]) -> StrEnum:
    """Read one of a few words."""
    known = [str(word) for word in kind]
    if text.lower() in known:
        return kind(text.lower())
    raise ValueError(f"is none of {', '.join(known)}{nearest(text, known)}")


def path(text: str, folder: Path) -> Path:
    """Read a path; a relative one begins at the configuration's folder."""
    if text.startswith("~"):
        raise ValueError("begins with ~, which means nothing to a daemon")
    found = os.path.normpath(folder / words(text))
    if len(os.fsencode(found)) > _PATH_LIMIT:
        raise ValueError(f"is too long for a path (at most {_PATH_LIMIT} octets)")
    return Path(found)


def words(text: str) -> str:
    """Take the text as it stands; quotes would be part of it, so refuse them."""
    if text[0] in "\"'" and text[-1] == text[0]:
        raise ValueError("needs no quotes")
    return text


def several(text: str) -> tuple[str, ...]:
    """Read words with blanks or commas between them."""
    return tuple(words(word) for word in re.split(r"[\s,]+", text) if word)


def rate(text: str) -> Rate:
    """Read ``100/h``, ``20/5min``."""
    amount, period = _per(text, "100/h")
    return Rate(amount=integer(amount), period=period)


def byte_rate(text: str) -> ByteRate:
    """Read ``50M/d``."""
    amount, period = _per(text, "50M/d")
    return ByteRate(Rate(amount=size(amount), period=period))


def patterns(text: str) -> Patterns:
    """Read words for addresses: ``example.net, .example.net, /^bob-.*@/``."""
    return Patterns(tuple(words(word) for word in pattern.words(text)))


def shares(text: str) -> Shares:
    """Read ``a, b``, or ``a:10, b:10:3``: NAME, PREFERENCE and WEIGHT."""
    parts = [word.split(":") for word in several(text)]
    if len({len(part) > 1 for part in parts}) > 1:
        raise ValueError("gives some a preference and others none (try a:10, b:20)")
    found = [_share(part, place) for place, part in enumerate(parts)]
    names = [share.relay for share in found]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise ValueError(f"names {twice} twice")
    return Shares(tuple(found))


def _share(part: list[str], place: int) -> Share:
    if len(part) > 3 or not all(re.fullmatch("[0-9]{1,5}", n) for n in part[1:]):
        given = ":".join(part)
        raise ValueError(f"contains {given}, which is not NAME:PREFERENCE:WEIGHT")
    defaults = ["", str(place), "1"]
    name, preference, weight = [*part, *defaults[len(part) :]]
    if not int(weight):
        raise ValueError(f"gives {name} no weight (leave it out to send it nothing)")
    return Share(relay=name, preference=int(preference), weight=int(weight))


def refusal(text: str) -> Reply:
    """Read ``550 5.1.1 no such user here``; the status may be left out."""
    found = re.fullmatch(r"([45][0-9]{2})(?: +(\S.*))?", text)
    if not found:
        raise ValueError("is no refusal (try 550 5.1.1 no such user here)")
    reply = Reply.parse(int(found[1]), found[2] or "")
    if (status := re.match(r"[0-9]+\.[0-9]+\.[0-9]+", found[2] or "")) and (
        status[0] != reply.status
    ):
        raise ValueError(f"contradicts itself: {found[1]} and {status[0]}")
    return reply


def _per(text: str, example: str) -> tuple[str, timedelta]:
    """Split an amount from its time; a lone unit is one of it."""
    amount, slash, period = (part.strip() for part in text.partition("/"))
    if not slash or not amount or not period:
        raise ValueError(f"is not an amount in a time (try {example})")
    span = duration(period if period[0].isdigit() else f"1{period}")
    if not span:
        raise ValueError(f"is not an amount in a time (try {example})")
    return amount, span
