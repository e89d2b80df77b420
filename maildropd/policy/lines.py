# SPDX-License-Identifier: Apache-2.0
"""Lines of a header that we write.

Whatever comes from a submitter has lost every character that could end one.
"""

from email.header import Header

_NAME = 200  # characters of a name
_WORD = 900  # of anything else
_FOLD = 900  # octets of a line


def line_end(header: bytes) -> bytes:
    """Return what lines of a header end with."""
    first = header.find(b"\n")
    return b"\r\n" if first > 0 and header[first - 1 : first] == b"\r" else b"\n"


def octets(text: str, end: bytes) -> bytes:
    """Return a field of ours; the only line ends in it are folds of ours."""
    return text.encode("utf-8", "replace").replace(b"\n", end) + end


def named(name: str, address: str) -> str:
    """Return an address behind a name, which may be any text."""
    name, address = harmless(name)[:_NAME], harmless(address)
    if not name:
        return address
    if name.isascii():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    encoded = Header(name, "utf-8", maxlinelen=75).encode(linesep="\n")
    return f"{encoded} <{address}>"


def listed(name: str, words: tuple[str, ...]) -> str:
    """Return a field of a list, in lines of a length that is allowed."""
    lines, line = [], f"{name}:"
    for word in map(harmless, words):
        if len(line.encode()) + len(word.encode()) > _FOLD:
            lines.append(line)
            line = ""
        line += f" {word},"
    return "\n".join([*lines, line.removesuffix(",")])


def harmless(text: str) -> str:
    """Return text without anything that is not seen."""
    return "".join(c if c.isprintable() else " " for c in text).strip()[:_WORD]
