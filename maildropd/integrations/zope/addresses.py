# SPDX-License-Identifier: Apache-2.0
"""Address lists in a header as people write them, put so that all read them alike.

Only names are encoded (RFC 2047 5): an address that is not ASCII stays as it is,
for servers that take it (SMTPUTF8).
"""

import re
from collections.abc import Iterator
from email.header import Header

_SIGN = re.compile(
    r"""
    "(?:[^"\\]|\\.)*"?      # a quoted text
    | <[^<>]*>?             # an address behind its name
    | \[[^\[\]]*\]?         # an address of the Internet as a domain
    | [,;:]
    | [^",;:<(\[]+
    """,
    re.VERBOSE | re.DOTALL,
)
_FOLD = re.compile(r"(?:\r\n|\r|\n)(?=[ \t])")
_PARENTHESIS = re.compile(r"\\.|[()]", re.DOTALL)
_COMMENT = re.compile(r"\(.*\)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def unfolded(text: str) -> str:
    """Return a field in one line; a line end that is no fold stays."""
    return _FOLD.sub("", text.strip(" \t\r\n"))


def mailboxes(text: str) -> list[str]:
    """Return the parts of a list, each with its name; a group gives its members."""
    return [part for part in _parts(text) if part[-1:] not in (":", ";")]


def joined(text: str) -> str:
    """Return a list with commas only between its parts, and its names encoded."""
    line = ""
    for part in _parts(text):
        if part == ";":
            line += part
            continue
        comma = ", " if line and not line.endswith(":") else " " if line else ""
        line += comma + _ascii_name(part)
    return line


def _parts(text: str) -> Iterator[str]:
    """Yield mailboxes, and of a group ``name:`` before and ``;`` behind them."""
    part, in_group = "", False
    for sign in _signs(text):
        if sign not in (",", ";", ":"):
            part += sign
            continue
        if sign == ":":
            yield f"{part.strip()}:"
            in_group = True
        elif part.strip():
            yield part.strip()
        if sign == ";" and in_group:
            yield ";"
            in_group = False
        part = ""
    if part.strip():
        yield part.strip()


def _signs(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _SIGN.match(text, at)
        end = found.end() if found else _after_comment(text, at)
        yield text[at:end]
        at = end


def _after_comment(text: str, at: int) -> int:
    """Return where a comment ends; they nest."""
    depth = 0
    for found in _PARENTHESIS.finditer(text, at):
        depth += {"(": 1, ")": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    return len(text)


def _ascii_name(part: str) -> str:
    if part.isascii():
        return part
    if part.endswith(":"):
        return f"{_ascii_words(part[:-1])}:"
    signs = list(_signs(part))  # an angle within a comment begins no address
    angles = [at for at, sign in enumerate(signs) if sign.startswith("<")]
    behind = angles[-1] if angles else 0
    name = "".join(signs[:behind]).strip()
    words = f"{_ascii_words(name)} " if name else ""
    return words + "".join(map(_ascii_comment, signs[behind:]))


def _ascii_comment(sign: str) -> str:
    """Encode a comment; all else stays as it is."""
    if not _COMMENT.fullmatch(sign):
        return sign
    return f"({_ascii_words(sign[1:-1])})"


def _ascii_words(name: str) -> str:
    if name.isascii():
        return name
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = _ESCAPED.sub(r"\1", name[1:-1])
    return Header(name, "utf-8").encode(linesep="", maxlinelen=0)
