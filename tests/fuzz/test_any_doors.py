# SPDX-License-Identifier: Apache-2.0
"""What holds at the doors for all octets: every command has a code, nothing is lost."""

import asyncio
import re
import socket
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildropd.edge.sendmail.arguments import Usage, parse
from maildropd.edge.sendmail.frame import Frame, LoneDot
from maildropd.edge.smtp import grammar
from maildropd.edge.smtp.contents import Contents
from maildropd.edge.smtp.session import Session
from maildropd.edge.smtp.wire import Wire
from maildropd.mail.address import parse_list
from maildropd.mail.errors import Malformed, PermanentError
from maildropd.mail.message import fields, line_ends_made_plain, split
from maildropd.policy import authors, header
from maildropd.policy.alias_file import Alias, entries
from maildropd.policy.fields import qualified
from tests.fakes.mail_desk import MailDesk

always = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
often = settings(always, max_examples=1000)
LINES = st.lists(
    st.sampled_from(
        [b".", b"..", b"a", b"\r", b"\n", b"\r\n", b"\r\n.\r\n", b"\0", b""]
    )
).map(b"".join)
COMMANDS = st.sampled_from(
    [
        *(b"EHLO x", b"HELO x", b"MAIL FROM:<a@b>", b"MAIL FROM:<> RET=FULL"),
        *(b"RCPT TO:<c@d>", b"RCPT TO:<c@d> NOTIFY=NEVER", b"DATA", b"RSET", b"NOOP"),
        *(b"QUIT", b"HELP", b"VRFY x", b"XCLIENT ADDR=1", b"\xff", b".", b"x\0y"),
    ]
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b""])


def cut(octets: bytes, places: list[int]) -> list[bytes]:
    """Cut octets at places."""
    at = sorted({min(place, len(octets)) for place in places})
    return [octets[a:b] for a, b in zip([0, *at], [*at, len(octets)], strict=True)]


@often
@given(LINES, st.lists(st.integers(0, 60), max_size=5))
def test_a_content_is_what_the_rfc_says_however_it_is_cut(
    octets: bytes, places: list[int]
) -> None:
    whole = b"\r\n" + octets + b"\r\n.\r\nREST"
    end = whole.index(b"\r\n.\r\n")
    meant = re.sub(rb"\r\n\.", b"\r\n", whole[: end + 2])[2:]

    contents, found = Contents(), b""
    pieces = cut(octets + b"\r\n.\r\nREST", places)
    while contents.rest is None:
        found += contents.feed(pieces.pop(0))

    assert found == meant
    assert contents.rest + b"".join(pieces) == whole[end + 5 :]


@often
@given(st.binary(max_size=200))
def test_a_command_is_understood_or_refused(octets: bytes) -> None:
    text = octets.decode("utf-8", "surrogateescape")
    for read in (grammar.mail, lambda said: grammar.rcpt(said, utf8=True)):
        for argument in (text, f"FROM:<{text}>", f"TO:<{text}>", f"FROM:<a@b> {text}"):
            try:
                found = read(argument)
            except PermanentError as error:
                if error.reply.code < 500:
                    raise
                continue
            path = getattr(found, "reverse_path", None) or getattr(
                found, "forward_path", None
            )
            if path:
                assert not set(path) & set("\r\n\0")
                assert parse_list(path) == (path,)


@always
@given(st.lists(st.tuples(COMMANDS, ENDS), max_size=30), st.lists(st.integers(0, 400)))
def test_a_session_answers_and_takes_only_whole_mail(
    said: list[tuple[bytes, bytes]], places: list[int]
) -> None:
    octets = b"".join(command + end for command, end in said)

    async def run(desk: MailDesk) -> bytes:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        wire = Wire(20)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: wire, ours)
        session = asyncio.create_task(Session(wire, desk, "host.test").run())
        reader, writer = await asyncio.open_connection(sock=theirs)
        for piece in cut(octets, places):
            writer.write(piece)
        writer.write_eof()
        heard = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        await session
        return heard

    with tempfile.TemporaryDirectory() as folder:
        desk = MailDesk(folder=Path(folder))
        heard = asyncio.run(run(desk))

    assert heard.startswith(b"220 ")
    for line in heard.split(b"\r\n")[:-1]:
        assert re.match(rb"[2345][0-9]{2}[ -]", line)
    assert heard.count(b"queued as") == len(desk.taken)
    assert len(desk.taken) <= octets.count(b"\r\n.\r\n")


@often
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_a_frame_is_the_same_however_it_is_cut(
    octets: bytes, places: list[int]
) -> None:
    head = b"#!sendmail\0" + b"0" * 32 + b"\0002\0sendmail\0x\0"
    whole = head + b"%d\n" % len(octets) + octets + b"0\n" if octets else head + b"0\n"
    frame = Frame()

    found = b"".join(frame.feed(piece) for piece in cut(whole, places))

    assert frame.ended
    assert found == octets
    assert frame.words == ["sendmail", "x"]


@often
@given(st.binary(max_size=300))
def test_whatever_comes_is_a_frame_or_is_refused(octets: bytes) -> None:
    for whole in (octets, b"#!sendmail\0" + octets):
        try:
            Frame().feed(whole)
        except Malformed:
            continue


@often
@given(LINES, st.lists(st.integers(0, 60), max_size=5))
def test_a_lone_dot_is_found_however_it_is_cut(
    octets: bytes, places: list[int]
) -> None:
    whole, pieces = LoneDot(ends=True), LoneDot(ends=True)

    found = b""
    for piece in cut(octets, places):
        if not pieces.ended:
            found += pieces.feed(piece)

    assert (found, pieces.ended) == (whole.feed(octets), whole.ended)


@often
@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(), max_size=4))
def test_no_address_becomes_an_option(before: list[str], addresses: list[str]) -> None:
    try:
        found = parse(["sendmail", *before, "--", *addresses])
    except Usage:
        return
    named = tuple(word for word in addresses if word)

    assert found.recipients[len(found.recipients) - len(named) :] == named


@often
@given(st.binary(max_size=300))
def test_a_header_and_its_text_are_all_there_is(octets: bytes) -> None:
    end = split(octets)

    names = [field.name for field in fields(octets, 0, end)]
    assert all(names)
    assert header.closed(octets[:end]).startswith(octets[:end])
    assert len(line_ends_made_plain(octets)) == len(octets)


@often
@given(st.text(max_size=60).map(str.encode))
def test_only_domains_are_added_to_a_field(octets: bytes) -> None:
    found = qualified(octets, "host.example")

    assert found.replace(b"@host.example", b"") == octets.replace(b"@host.example", b"")


@often
@given(st.binary(max_size=80))
def test_no_author_but_the_one_that_was_set_is_left(octets: bytes) -> None:
    """Whatever stood in From: a reader finds the submitter's address, and no other."""
    value = re.sub(rb"[\r\n]", b" ", octets)

    found = authors.with_author(b"From: " + value + b"\n\n", "a@host.example")

    assert authors.authors(found) == ("a@host.example",)


@often
@given(st.text(max_size=200))
def test_aliases_are_read_or_told(text: str) -> None:
    for one in entries(text):
        assert one.line > 0
        assert not isinstance(one, Alias) or one.name
