# SPDX-License-Identifier: Apache-2.0
"""What policies make of any aliases, and of any header: nobody gets what is not his.

A header that has passed is read again by the standard library, which is as
lenient as the readers of mail are.
"""

import atexit
import re
import shutil
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import getaddresses
from functools import cache
from pathlib import Path

from maildropd.mail.draft import Recipient
from maildropd.mail.errors import MailError
from maildropd.mail.message import fields, line_ends_made_plain, split
from maildropd.policy.alias_file import Alias, entries
from maildropd.policy.aliases import AliasTrouble
from maildropd.policy.header import qualify
from maildropd.policy.names import Names, parts
from tests.fakes.policies import ALICE, HOST, Policies, by, draft
from tests.fuzz.mail_targets import check_address
from tests.fuzz.places import folder
from tests.fuzz.splits import one_line

_INCLUDED = b"\n%%\n"  # between the aliases and a file that they may include
_MOST = 50
_NAMES = 20
_SIMPLE = re.compile(r"([a-z]+): *([a-z]+@[a-z]+)")
_OURS = {
    *("from", "sender", "reply-to", "x-original-from", "x-original-sender"),
    *("to", "cc", "date", "message-id", "received"),
}
_ADDED = f"@{HOST}".encode()


@cache
def _folder() -> Path:
    """Return the folder of this process; it goes with it."""
    made = folder()
    atexit.register(shutil.rmtree, made)
    return made


def aliases(octets: bytes) -> None:
    """Each name goes to addresses or is put off; nothing runs but what may."""
    said, _, further = octets.partition(_INCLUDED)
    (_folder() / "list").write_bytes(further)
    said = said.replace(b":include:/list", b":include:%b/list" % bytes(_folder()))
    policies = Policies(_folder())
    policies.aliases.write_bytes(said)
    text = said.decode("utf-8", "surrogateescape")
    known = [one for one in entries(text) if isinstance(one, Alias)]
    for one in known[:_NAMES]:
        name = one.name if one.name.isprintable() else "x"
        _check_quiet(policies.names, name)
        _check_runs(Policies(_folder(), aliases_may_run=True).names, name)
    for event in policies.journal.events:
        assert event.text()
    lines = text.split("\n")
    if all(map(_SIMPLE.fullmatch, filter(None, lines))):
        _check_simple(policies.names, lines)


def _check_quiet(names: Names, name: str) -> None:
    try:
        found = names.expand([Recipient(forward_path=name)], _MOST)
    except MailError as error:
        one_line(error)
        return
    assert found
    for one in found:
        assert not one.terms.run
        local_part, domain = parts(one.forward_path)
        assert domain
        if parts(name)[0].lower() not in local_part.lower():  # else as it was asked
            check_address(one.forward_path)
    named = [Recipient(forward_path=each.forward_path) for each in found]
    try:
        again = names.expand(named, _MOST)
    except MailError as error:  # another alias, which has a mistake
        one_line(error)
        return
    assert len(again) >= 1


def _check_runs(names: Names, name: str) -> None:
    """A command is one of the administrator's, never one of an included file."""
    try:
        found = names.expand([Recipient(forward_path=name)], _MOST)
    except (AliasTrouble, MailError):
        return
    source = (_folder() / "aliases").read_text("utf-8", "surrogateescape")
    plain = re.sub(r"\\(.)|\s+", r"\1", source)
    for one in found:
        assert one.terms.run.replace("\t", "").isprintable()
        run = re.sub(r"\\(.)|\s+", r"\1", one.terms.run)
        assert not run or run[1:] in plain.replace('"', "") or run[1:] in plain


def _check_simple(names: Names, lines: list[str]) -> None:
    meant: dict[str, str] = {}
    for line in filter(None, lines):
        found = _SIMPLE.fullmatch(line)
        assert found
        meant.setdefault(found[1], found[2])
    for name, address in meant.items():
        if names.is_local(address):
            continue
        (one,) = names.expand([Recipient(forward_path=name)], 1)
        assert one.forward_path == address, f"{name} goes elsewhere"


def authors(octets: bytes) -> None:
    """Who may be alice only is nobody else, to whomever reads it; all else stays."""
    plain = line_ends_made_plain(octets)
    header = plain[: split(plain)]
    try:
        passed = Policies(_folder() / "none").gate().admit(draft(header), by(ALICE))
    except MailError as error:
        one_line(error)
        return
    found = list(fields(passed.header, 0, len(passed.header)))
    assert split(passed.header) == len(passed.header), "the header ends too early"
    kept = [_of(passed.header, each.start, each.end) for each in found]
    for each in fields(header, 0, len(header)):
        line = _of(header, each.start, each.end)
        is_ours = each.name.removeprefix("resent-") in _OURS
        assert is_ours or line in kept, "a field is changed"
    for name in ("date", "message-id", "received", "from"):
        assert name in {each.name for each in found}
    _check_readers(passed.header)
    done = qualify(passed.header, Policies(_folder()).names)
    assert done.replace(_ADDED, b"") == passed.header.replace(_ADDED, b"")


def _of(header: bytes, start: int, end: int) -> bytes:
    return header[start:end].rstrip(b"\r\n")


def _check_readers(header: bytes) -> None:
    """Another reader finds alice, or nobody at all."""
    read = message_from_bytes(header + b"body")
    for name in ("from", "sender"):
        said = [str(value) for value in read.get_all(name, [])]
        for shown, address in getaddresses(said):
            login, _, domain = address.partition("@")
            is_hers = login.partition("+")[0] == "alice" and domain.lower() == HOST
            assert is_hers or not address, f"{address} is another"
            assert "@" not in _decoded(shown) or "alice" in shown or is_hers


def _decoded(text: str) -> str:
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return ""
