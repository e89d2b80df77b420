# SPDX-License-Identifier: Apache-2.0
"""The queue of Postfix 3: files of records, each a type, a length and octets.

Recipients who have had the mail are marked in place, and are not told of.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.queued import Queued
from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress, Malformed
from maildropd.mail.header_envelope import FOR_US
from maildropd.mail.message import fields, split, without

_QUEUES = ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")
_LOGS = ("defer", "bounce", "trace")  # of what was tried, by the same name
_ROUNDS = 2  # a filter may lead elsewhere in the file and back, and not again
_WHOLE = stat.S_IXUSR  # Postfix sets it when a file is complete
_DOT_STRING = re.compile(r"[^\s\"(),:;<>@\[\\\]]+")
_HELD: Mapping[str, str] = {
    "hold": "it is on hold in Postfix",
    "corrupt": "Postfix found it damaged",
}

Record = tuple[bytes, bytes]
"""Type and octets."""


def queued(folder: Path) -> Iterator[Queued]:
    """Yield what is in /var/spool/postfix."""
    if not any((folder / name).is_dir() for name in _QUEUES):
        raise Unreadable(str(folder), "has no queues of Postfix in it")
    logs = {path.name: path for name in _LOGS for path in _files(folder / name)}
    for name in _QUEUES:
        for path in _files(folder / name):
            also = (logs[path.name],) if path.name in logs else ()
            try:
                yield _read(path, _HELD.get(name, ""), also)
            except files.Gone:
                continue
            except Unreadable as error:
                yield Queued(path=path, state="unreadable", why=error.why, also=also)


def busy(folder: Path) -> str:
    """Return who works in it, or nothing: its master keeps a file."""
    with suppress(OSError, ValueError):
        pid = int((folder / "pid" / "master.pid").read_text())
        if Path(f"/proc/{pid}/comm").read_text().strip() == "master":
            return f"Postfix works in it (process {pid}): stop it first"
    return ""


def _files(folder: Path) -> Iterator[Path]:
    """Yield files, also of folders by the first signs of their names."""
    if not folder.is_dir():
        return
    yield from files.listed(folder)
    for below in sorted(folder.iterdir()):
        if below.is_dir() and not below.is_symlink():
            yield from _files(below)


def _read(path: Path, held: str, also: tuple[Path, ...]) -> Queued:
    octets = files.mail(path)
    if not os.lstat(path).st_mode & _WHOLE:
        raise Unreadable(str(path), "it is not whole: Postfix had not finished it")
    sender, named, lines = b"", list[bytes](), list[bytes]()
    in_message = False
    for kind, data in _records(path, octets):
        in_message = kind == b"M" or (in_message and kind != b"X")
        if kind == b"S":
            sender = data
        elif kind == b"R":
            named.append(data)
        elif in_message and kind in (b"N", b"L"):
            lines.append(data if kind == b"L" else data + b"\n")
    content = files.check_message(path, _without_bcc(path, b"".join(lines)))
    return Queued(
        path=path,
        state="held" if held else "ready",
        why=held,
        reverse_path=_addresses(path, [sender])[0] if sender else None,
        recipients=_addresses(path, named),
        content=content,
        also=also,
    )


def _records(path: Path, octets: bytes) -> Iterator[Record]:
    """Yield the records to the last one; raise ``Unreadable``."""
    at, left = 0, _ROUNDS * len(octets)
    while at < len(octets):
        start, kind = at, octets[at : at + 1]
        length, at = _length(path, octets, at + 1)
        data, at = octets[at : at + length], at + length
        if len(data) < length:
            break
        if kind == b"E":
            return
        left -= at - start
        if kind == b"p":
            there = int(data) if data.strip().isdigit() else -1
            if left < 0 or there < 0:
                raise Unreadable(str(path), "its records do not lead to an end")
            at = there or at
        yield kind, data
    raise Unreadable(str(path), "it is not whole: its last record is missing")


def _length(path: Path, octets: bytes, at: int) -> tuple[int, int]:
    """Read a number, seven bits an octet, the lowest first; return it and its end."""
    number = 0
    for place, octet in enumerate(octets[at : at + 5]):
        number |= (octet & 127) << 7 * place
        if octet < 128:
            return number, at + place + 1
    raise Unreadable(str(path), "it has a record without a length")


def _addresses(path: Path, named: list[bytes]) -> tuple[str, ...]:
    found: list[str] = []
    try:
        for octets in named:
            found += parse_list(_quoted(octets.decode("utf-8", "surrogateescape")))
    except BadAddress as error:
        raise Unreadable(str(path), str(error)) from error
    if not found:
        raise Unreadable(str(path), "nobody is left who is to get it")
    return tuple(found)


def _quoted(address: str) -> str:
    """Return an address as it is written; Postfix keeps it without quotes."""
    local_part, at, domain = address.rpartition("@")
    if not at or _DOT_STRING.fullmatch(local_part):
        return address
    escaped = re.sub(r'(["\\])', r"\\\1", local_part)
    return f'"{escaped}"@{domain}'


def _without_bcc(path: Path, content: bytes) -> bytes:
    """Take out what Postfix takes out when it picks a mail up."""
    end = split(content)
    try:
        pieces = without(content[:end], 0, fields(content, 0, end), FOR_US)
    except Malformed as error:
        raise Unreadable(str(path), str(error)) from error
    return b"".join((*pieces, content[end:]))
