# SPDX-License-Identifier: Apache-2.0
"""Numbers and quoted texts as Python 2 wrote them, which is not as Python 3 does.

Read by our own rules: evaluating them would take 0777 for an error and an
escaped u00e9 for one letter, and what is not executed need not be trusted.
"""

import re
import unicodedata
from collections.abc import Mapping

_NUMBER = re.compile(
    r"""(?P<hex>0[xX][0-9a-fA-F]+) | (?P<bin>0[bB][01]+) | (?P<oct>0[oO][0-7]+)
    | (?P<float>(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+)
    | (?P<old>0[0-7]*) | (?P<dec>[1-9][0-9]*)""",
    re.VERBOSE,
)
_BASES: Mapping[str, int] = {"hex": 16, "bin": 2, "oct": 8, "old": 8, "dec": 10}
_DIGITS = 300  # no number of ours is longer, and reading them takes ever longer

_QUOTE = re.compile(r"""([A-Za-z]{0,3})(\"{3}|'{3}|["'])""")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_WIDE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|N\{([^}\n]+)\})")
_SIMPLE: Mapping[str, str] = {
    "\n": "",
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
}


def number(text: str, at: int) -> tuple[int | float, int] | None:
    """Return a number that begins there and where it ends, or None.

    Raise ``ValueError`` for one that was never meant like this.
    """
    found = _NUMBER.match(text, at)
    if not found:
        return None
    if re.compile(r"[\w.]").match(text, found.end()):
        raise ValueError("is not a number (a text needs quotes)")
    if len(found[0]) > _DIGITS:
        raise ValueError("is a number with too many digits (quote it if it is a text)")
    kind = found.lastgroup or "dec"
    if kind == "float":
        return _finite(float(found[0])), found.end()
    digits = found[0] if kind in ("dec", "old") else found[0][2:]
    return int(digits, _BASES[kind]), found.end()


def string(text: str, at: int) -> tuple[str, int] | None:
    """Return a quoted text that begins there and where it ends, or None.

    Raise ``ValueError`` where it is not closed, or has a prefix that none has.
    """
    opening = _QUOTE.match(text, at)
    if not opening:
        return None
    prefix, quote = opening[1], opening[2]
    if prefix not in ("", "u", "r"):
        raise ValueError(f"{prefix} stands before a quote (only u and r may)")
    closed = _closed(quote).match(text, opening.end())
    if not closed:
        raise ValueError(f"the text is not closed (end it with {quote})")
    inside = closed[1]
    if not inside.isascii() and any("\ud800" <= c <= "\udfff" for c in inside):
        raise ValueError("the text is not UTF-8 (save the file as UTF-8)")
    if prefix == "u":
        return _characters(inside), closed.end()
    return (inside if prefix == "r" else _octets(inside)), closed.end()


def _finite(value: float) -> float:
    if value == float("inf"):
        raise ValueError("is a number that is too large (quote it if it is a text)")
    return value


def _closed(quote: str) -> re.Pattern[str]:
    """Match up to the closing quote; a short one ends in its line."""
    if len(quote) == 3:
        return re.compile(rf"((?:[^\\]|\\.)*?){quote}", re.DOTALL)
    return re.compile(rf"((?:[^\\\n{quote}]|\\.)*){quote}", re.DOTALL)


def _octets(inside: str) -> str:
    """Undo the escapes of a plain text: it is made of octets."""
    if "\\" not in inside:
        return inside
    made = bytearray()
    at = 0
    for found in _ESCAPE.finditer(inside):
        made += inside[at : found.start()].encode("utf-8")
        at = found.end()
        if found[1] or found[2]:
            made.append(_code(found) & 0xFF)
        else:
            made += _simple(found).encode("utf-8")
    made += inside[at:].encode("utf-8")
    try:
        return made.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            'the text has octets that are not UTF-8 (write u"...", which has letters)'
        ) from None


def _characters(inside: str) -> str:
    """Undo the escapes of a text of letters."""
    made = ""
    at = 0
    while found := _ESCAPE.search(inside, at):
        wide = _WIDE.match(inside, found.start())
        made += inside[at : found.start()]
        made += _letter(wide) if wide else _narrow(found)
        at = (wide or found).end()
    return made + inside[at:]


def _narrow(found: re.Match[str]) -> str:
    if found[3] in ("u", "U", "N", "x"):
        raise ValueError(f"\\{found[3]} in the text names no letter (double the \\)")
    return chr(_code(found)) if found[1] or found[2] else _simple(found)


def _code(found: re.Match[str]) -> int:
    return int(found[1], 8) if found[1] else int(found[2], 16)


def _simple(found: re.Match[str]) -> str:
    """Return what one character stands for; an unknown one keeps its backslash."""
    if found[3] == "x":
        raise ValueError(r"\x in the text needs two hexadecimal digits (double the \)")
    return _SIMPLE.get(found[3], found[0])


def _letter(found: re.Match[str]) -> str:
    try:
        if found[3]:
            return unicodedata.lookup(found[3])
        letter = chr(int(found[1] or found[2], 16))
    except (KeyError, ValueError, OverflowError):
        letter = "\ud800"
    if "\ud800" <= letter <= "\udfff":
        raise ValueError("an escape in the text names no letter (double the \\)")
    return letter
