# SPDX-License-Identifier: Apache-2.0
"""What policies leave as it is, in any header; and where any aliases lead."""

import atexit
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildropd.mail.draft import Recipient
from maildropd.mail.envelope import Submitter
from maildropd.mail.message import fields, split
from maildropd.policy.alias_file import split_values
from maildropd.policy.aliases import AliasTrouble
from maildropd.policy.authors import authors, masked, with_author
from maildropd.policy.fields import qualified
from maildropd.policy.header import Facts, closed, complete, qualify, with_field
from maildropd.policy.lines import named
from tests.fakes.policies import Policies
from tests.fuzz.places import folder

always = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
often = settings(always, max_examples=300)
HOST = "host.example"
OWN = "alice@host.example"

WORDS = st.sampled_from(
    [
        *(b"root", b"bob", b"Bob", b"b@x.example", b"<root>", b"<b@x.example>", b'"'),
        *(b'"a, b"', b"(c)", b"(", b")", b",", b";", b":", b"G:", b"<", b">", b"@"),
        *(b".", b"\\", b" ", b"\t", b"\xff", b"\xc3\xa9", b"\n ", b"\r\n\t", b"\0"),
        *(b"=?utf-8?q?=40?=", b"undisclosed-recipients:;", b"a.b", b"[192.0.2.1]"),
    ]
)
VALUES = st.lists(WORDS, max_size=12).map(b"".join)
FIELD_NAMES = st.sampled_from(
    [
        *(b"From", b"FROM", b"Sender", b"To", b"Cc", b"Reply-To", b"Resent-To", b"X"),
        *(b"Subject", b"Date", b"Message-ID", b"Received", b"X-Original-From"),
        *(b"from ", b"X-Original-Sender", b"Bcc"),
    ]
)
ALIASES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.lists(st.sampled_from("abcdexy")))
)
LINE_ENDS = st.sampled_from([b"\n", b"\r\n"])


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Make a header of fields that matter, whole or cut off."""
    end = draw(LINE_ENDS)
    pairs = draw(st.lists(st.tuples(FIELD_NAMES, VALUES), max_size=6))
    lines = [name + b":" + value + end for name, value in pairs]
    made = b"".join(lines) + draw(st.sampled_from([end, b""]))
    return made[: split(made)]


@dataclass
class OneName:
    """Knows one name that is ours."""

    domain: str = HOST

    def is_local(self, address: str) -> bool:
        return "@" not in address or address.endswith(f"@{HOST}")


def lines(header: bytes) -> list[bytes]:
    """Return the fields of a header, as they stand there."""
    found = fields(header, 0, len(header))
    return [header[each.start : each.end].rstrip(b"\r\n") for each in found]


def without_added(old: bytes, new: bytes, added: bytes) -> bytes:
    """Take out of ``new`` what was put between the octets of ``old``."""
    at = 0
    left = bytearray()
    for octet in old:
        while new[at : at + 1] != bytes([octet]) and new.startswith(added, at):
            at += len(added)
        left += new[at : at + 1]
        at += 1
    rest = new[at:]
    return bytes(left) + rest.replace(added, b"")


@often
@given(VALUES)
def test_a_domain_is_added_and_nothing_taken(octets: bytes) -> None:
    found = qualified(octets, HOST)

    assert without_added(octets, found, b"@host.example") == octets
    assert qualified(found, HOST) == found


@often
@given(headers())
def test_qualifying_leaves_every_other_field(header: bytes) -> None:
    found = qualify(header, OneName())

    assert len(lines(found)) == len(lines(header))
    for old, new in zip(lines(header), lines(found), strict=True):
        assert without_added(old, new, b"@host.example") == old
        if not old.lower().startswith((b"from", b"sen", b"to", b"cc", b"re")):
            assert new == old
    assert split(found) == len(found)


@often
@given(headers(), st.text(max_size=300), st.integers(0, 10**6))
def test_what_is_completed_ends_in_what_was_there(
    header: bytes, name: str, uid: int
) -> None:
    facts = Facts(
        author=OWN,
        full_name=name,
        hostname=HOST,
        submitter=Submitter(name="sendmail", uid=uid),
        now=datetime(2026, 1, 2, tzinfo=UTC),
        token="t",
    )

    found = complete(header, facts)

    assert found.endswith(header)
    added = lines(found[: len(found) - len(header)])
    names = [line.partition(b":")[0].lower() for line in added]
    assert set(names) <= {b"received", b"date", b"message-id", b"from"}
    assert len(set(names)) == len(names)
    assert split(found) == len(found)
    assert all(len(line) < 998 for line in found[: -len(header) or None].splitlines())


@often
@given(headers())
def test_a_new_author_is_the_only_one(header: bytes) -> None:
    found = with_author(header, OWN)

    assert set(authors(found)) <= {OWN}
    kept = [line for line in lines(header) if not _is_an_authors(line)]
    left = [line for line in lines(found) if not _is_an_authors(line)]
    if any(line.lower().startswith(b"reply-to") for line in kept):
        assert left == kept
    else:
        assert [line for line in left if not line.startswith(b"Reply-To:")] == kept
    assert split(found) == len(found)


def _is_an_authors(line: bytes) -> bool:
    name = line.partition(b":")[0].strip().lower()
    return name in {b"from", b"sender", b"x-original-from", b"x-original-sender"}


@often
@given(headers(), st.sampled_from(["m@far.example", "@far.example"]))
def test_a_mask_hides_all_that_is_ours_and_nothing_else(
    header: bytes, rewrite_from: str
) -> None:
    header = qualify(header, OneName())

    found = masked(header, rewrite_from, OneName())

    if not any(map(OneName().is_local, authors(header))):
        assert found == header
    for author in authors(found):
        hidden = not OneName().is_local(author)
        assert hidden or author in authors(header), "another's name was made ours"
    assert masked(found, rewrite_from, OneName()) == found
    assert split(found) == len(found)


@often
@given(headers(), st.lists(st.text(max_size=100), min_size=1, max_size=40))
def test_a_list_before_a_header_is_one_field(header: bytes, words: list[str]) -> None:
    header = closed(header)

    found = with_field(header, "X-Original-To", tuple(words))

    assert found.endswith(header)
    assert lines(found)[1:] == lines(header)
    assert split(found) == len(found)


@often
@given(st.text(max_size=300))
def test_a_name_takes_no_line_and_names_nobody_else(name: str) -> None:
    found = named(name, OWN)

    header = f"From: {found}\n\n".encode("utf-8", "replace")
    assert authors(header) == (OWN,)
    assert len(lines(header)) == 1


@often
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.lists(st.sampled_from("abcdexy"))))
)
def test_aliases_end_whatever_leads_where(pairs: list[tuple[str, list[str]]]) -> None:
    """Each name goes to those that are reached from it, or is refused: a loop."""
    meant: dict[str, list[str]] = {}
    for name, values in pairs:
        meant.setdefault(name, values)

    for name in meant:
        try:
            reached: set[str] | None = _reached(meant, name, ())
        except RecursionError:
            reached = None
        assert _goes(pairs, name) == reached


def _reached(meant: dict[str, list[str]], name: str, way: tuple[str, ...]) -> set[str]:
    if name in way or not meant.get(name, [name]):
        raise RecursionError
    found: set[str] = set()
    for value in meant.get(name, ()):
        own = value == name or value not in meant
        found |= {value} if own else _reached(meant, value, (*way, name))
    return found


def _goes(pairs: list[tuple[str, list[str]]], name: str) -> set[str] | None:
    policies = Policies(_folder())
    policies.aliases.write_text("".join(f"{a}: {', '.join(b)}\n" for a, b in pairs))
    try:
        found = policies.names.expand([Recipient(forward_path=name)], 100)
    except AliasTrouble:
        return None
    return {one.forward_path.removesuffix(f"@{HOST}") for one in found}


@cache
def _folder() -> Path:
    """Return the folder of this process; it goes with it."""
    made = folder()
    atexit.register(shutil.rmtree, made)
    return made


@often
@given(st.lists(st.text(st.characters(exclude_characters='",\\'))))
def test_values_are_what_stands_between_commas(values: list[str]) -> None:
    found = list(split_values(", ".join(values)))

    assert found == [each.strip() for each in values if each.strip()]
