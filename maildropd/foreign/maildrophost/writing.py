# SPDX-License-Identifier: Apache-2.0
"""A configuration that MaildropHost and a shell read the same way.

Only its owner can read it: there is a password in it.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.grammar import Value
from maildropd.host import durable

MODE = 0o600

_SAME = re.compile(r"""[^'"\\$`\x00-\x1f\x7f]*""")  # in both kinds of quotes
_SINGLE = re.compile(r"[^'\\\x00-\x1f\x7f]*")
_DOUBLE = re.compile(r"[^$`\x00-\x1f\x7f]*")
_ESCAPED = re.compile(r"""["'\\$`\x00-\x1f\x7f]""")


def write(path: Path, assigned: Mapping[str, Value], heading: str = "") -> None:
    """Write a file anew, whole or not at all.

    Raise ``Unreadable`` for a value that cannot be said, ``OSError`` where the
    disk refuses.
    """
    durable.replace(path, [text(assigned, heading).encode("utf-8")], MODE)


def text(assigned: Mapping[str, Value], heading: str = "") -> str:
    """Return the lines, in the order of the mapping, below a comment."""
    comment = "".join(f"# {line}\n" for line in heading.splitlines())
    lines = (f"{name}={literal(name, value)}\n" for name, value in assigned.items())
    return comment + "".join(lines)


def literal(name: str, value: Value) -> str:
    """Return what stands behind ``NAME=``."""
    if isinstance(value, str):
        return _quoted(name, value)
    if value is None:
        return '""'
    if value < 0 or not math.isfinite(value):
        raise Unreadable(name, f"{value} cannot be written (take a number from 0 on)")
    # True is a word to a shell.
    return repr(int(value) if isinstance(value, bool) else value)


def _quoted(name: str, value: str) -> str:
    """Return a text in quotes.

    In single quotes a shell takes everything as it stands, and Python all but a
    backslash; in double quotes both undo that before a backslash or a quote.
    What fits neither is said twice, in a line that is one assignment and a
    comment to Python, and two assignments to a shell.
    """
    if "\0" in value or not _is_utf_8(value):
        raise Unreadable(name, "is no text that can be written (take UTF-8)")
    if _SAME.fullmatch(value):
        return f'"{value}"'
    if _SINGLE.fullmatch(value):
        return f"'{value}'"
    if _DOUBLE.fullmatch(value):
        return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    python = _ESCAPED.sub(lambda found: f"\\x{ord(found[0]):02x}", value)
    return f'"{python}"#;{_for_shell(name, value)}'


def _for_shell(name: str, value: str) -> str:
    """Assign in one line, which a comment must be."""
    if "\n" not in value and "\r" not in value:
        return f"{name}='" + value.replace("'", "'\\''") + "'"
    octets = "".join(f"\\0{octet:03o}" for octet in value.encode("utf-8"))
    # The point keeps line ends at the end, which a shell would cut off.
    return f"{name}=$(printf '%b.' '{octets}');{name}=${{{name}%.}}"


def _is_utf_8(value: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in value)
