# SPDX-License-Identifier: Apache-2.0
"""Parsers of what submitters write: addresses, headers, the forms of a drop file.

Each target takes any octets; what it asserts is said by a reader of our own
that is as plain as can be.
"""

import re
from email import policy
from email.message import EmailMessage
from itertools import chain
from typing import Any

from maildropd.edge.spool import forms, maildrophost
from maildropd.edge.spool.draft import Draft
from maildropd.mail.address import addresses as listed
from maildropd.mail.address import parse_list, parse_reverse_path, unique
from maildropd.mail.errors import BadAddress, Malformed
from maildropd.mail.message import fields, header_end, message_id, without
from tests.fuzz.splits import chance, one_line, text

_FOR_US = ("bcc", "resent-bcc", "return-path")
_ADDRESS_LIMIT = 254
_STRAY = re.compile(r"\r(?!\n)|\n(?![ \t])")
_LOOKS_LIKE_ONE = re.compile(r"(?<![^\s<>,;])[^\s<>,;@]+@[^\s<>,;@]+(?=[\s<>,;]|\Z)")
_MOST = 10_000  # recipients


def addresses(octets: bytes) -> None:
    """What is accepted can be said in one line, and means the same when read again."""
    try:
        found = tuple(listed(octets))
    except BadAddress as error:
        one_line(error)
        return
    for address in found:
        check_address(address)
    _check_nobody_is_skipped(text(octets), found)
    assert parse_list(", ".join(found)) == found, "read again, it is another list"
    assert len(unique(found)) <= len(found)
    path = parse_reverse_path(octets)
    assert path == (found[0] if found else None) or path is None
    _second_opinion(text(octets), found)


def check_address(address: str) -> None:
    """Raise if an address could be anything else."""
    assert address.isprintable()
    assert address.isascii() or address.encode("utf-8"), "no half characters"
    assert len(address.encode("utf-8")) <= _ADDRESS_LIMIT
    local_part, at, domain = address.rpartition("@")
    assert address.strip() == address
    if address.startswith('"'):
        local_part = local_part[1:-1].replace("\\\\", "").replace('\\"', "")
        assert '"' not in local_part, "a quote ends too early"
        assert "\\" not in local_part
    else:
        assert not set(address) & set(' "(),:;<>\\') or domain.startswith("[")
    assert domain or not at


def _check_nobody_is_skipped(words: str, found: tuple[str, ...]) -> None:
    """What looks like an address is one of those found; nothing was mended."""
    assert not found or not _STRAY.search(words.strip(" \t\r\n"))
    odd = set(words) & set('"()[]:\\') or re.search(r"\s[.@]|[.@]\s", words)
    if words.isascii() and not odd:  # and with no blank about a dot
        for word in _LOOKS_LIKE_ONE.findall(words):
            plain = word.removesuffix(".")
            assert {plain, plain.strip("'")} & set(found), f"{word} is skipped"


def _second_opinion(words: str, found: tuple[str, ...]) -> None:
    """The standard library, where it finds no fault, must have found the same."""
    if not words.isascii() or not words.isprintable() or "@" not in words:
        return
    if set(words) & set("()[];:\\\"'<>%=?") or ".." in words or len(words) > 200:
        return  # where the two are lenient in different ways
    message = EmailMessage(policy=policy.SMTP)
    try:
        message["To"] = words
    except TypeError:  # " .a @ b" is too much for it
        return
    said: Any = message["To"]  # the library's stubs do not know of defects
    if said.defects or any(not each.domain for each in said.addresses):
        return
    theirs = tuple(each.addr_spec for each in said.addresses)
    assert theirs == found, f"{theirs} here, {found} there"


def header(octets: bytes) -> None:
    """Fields tile the header; what is not taken out stays as it was."""
    end = header_end(octets)
    assert end is None or octets[:end].endswith(b"\n")
    said = message_id(octets)
    assert said is None or (said.isprintable() and " " not in said)
    stop = len(octets) if end is None else end
    try:
        found = list(fields(octets, 0, stop))
    except Malformed as error:
        one_line(error)
        return
    at = 0
    for field in found:
        assert field.start == at
        assert octets[at:].lower().startswith(field.name.encode())
        at = field.end
    assert octets[at:stop].strip(b"\r\n") == b""
    left = b"".join(without(octets, 0, found, _FOR_US))
    assert left == _without_bcc(octets)


def _without_bcc(octets: bytes) -> bytes:
    """Take our fields out, line by line."""
    kept: list[bytes] = []
    ours = False
    lines = octets.split(b"\n")
    lines = [line + b"\n" for line in lines[:-1]] + lines[-1:]
    for number, line in enumerate(lines):
        if line in (b"\n", b"\r\n"):
            return b"".join(chain(kept, lines[number:]))
        if not line.startswith((b" ", b"\t")):
            name = line.partition(b":")[0].strip(b" \t").lower().decode("latin-1")
            ours = name in _FOR_US
        if not ours:
            kept.append(line)
    return b"".join(kept)


def spool(octets: bytes) -> None:
    """A draft has somebody to go to, and the octets of its file; else it is refused.

    However much of the file was read as its head, as long as that is enough.
    """
    whole = _read(octets)
    if isinstance(whole, Draft):
        assert whole.recipients
        for address in whole.recipients:
            check_address(address)
        if whole.reverse_path is not None:
            check_address(whole.reverse_path)
        assert b"".join(whole.content) == _sent(octets)
    source = chance(octets)
    for _ in range(4):
        cut = source.randrange(len(octets) + 1)
        head, rest = octets[:cut], octets[cut:]
        if not forms.is_complete(head):
            continue
        part = _read(head)
        if not isinstance(whole, Draft) or not isinstance(part, Draft):
            assert part == whole
            continue
        assert part.recipients == whole.recipients
        assert part.reverse_path == whole.reverse_path
        assert b"".join([*part.content, rest]) == b"".join(whole.content)


def _read(head: bytes) -> Draft | str:
    try:
        return forms.read(head, _MOST)
    except Malformed as error:
        one_line(error)
        return str(error)


def _sent(octets: bytes) -> bytes:
    """Return what is sent of a file, line by line."""
    if maildrophost.is_form(octets):
        while octets.startswith(b"##"):
            octets = octets.partition(b"\n")[2]
        return octets
    if octets.startswith((b"From ", b">From ")):
        octets = octets.partition(b"\n")[2]
    return _without_bcc(octets)
