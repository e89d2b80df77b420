# SPDX-License-Identifier: Apache-2.0
"""One client's dialogue, over a real socket pair, by octets."""

import asyncio
import hashlib
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from maildropd.edge.smtp.session import Session
from maildropd.edge.smtp.talks import Talks
from maildropd.edge.smtp.wire import Wire
from maildropd.mail.errors import PermanentError, TransientError
from maildropd.mail.reply import Reply
from tests.fakes.mail_desk import MailDesk

HELLO = b"EHLO x\r\n"
ENVELOPE = b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"
MAIL = ENVELOPE + b"Subject: s\r\n\r\nhi\r\n.\r\n"
QUIT = b"QUIT\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@pytest.fixture
def desk(tmp_path: Path) -> MailDesk:
    return MailDesk(folder=tmp_path)


async def converse(desk: MailDesk, talk: Talk, idle: float = 20) -> None:
    """Let a client talk to a session, until both have ended."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()
    wire = Wire(idle)
    await loop.connect_accepted_socket(lambda: wire, ours)
    session = asyncio.create_task(Session(wire, desk, "host.test").run())
    reader, writer = await asyncio.open_connection(sock=theirs)
    async with asyncio.timeout(20):
        await talk(reader, writer)
        writer.close()
        await session


def said_to(desk: MailDesk, *pieces: bytes, idle: float = 20) -> list[str]:
    """Send pieces, end, and return the lines that came back."""
    found = b""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal found
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        found = await reader.read()

    asyncio.run(converse(desk, talk, idle))
    assert found.endswith(b"\r\n")
    return found.decode("ascii").splitlines()


def codes(lines: list[str]) -> list[int]:
    """Return the codes of replies, each once."""
    return [int(line[:3]) for line in lines if line[3:4] == " "]


def test_all_in_one_write_with_the_door_closed_behind_it_is_answered(
    desk: MailDesk,
) -> None:
    """RFC 2920; and a client may shut down its side before it has heard us."""
    lines = said_to(desk, HELLO + MAIL + QUIT)

    assert codes(lines) == [220, 250, 250, 250, 354, 250, 221]
    (taken,) = desk.taken
    assert taken.content == b"Subject: s\r\n\r\nhi\r\n"
    assert taken.offer.reverse_path == "a@b.example"
    assert [each.forward_path for each in taken.named] == ["c@d.example"]


def test_octet_by_octet_is_the_same(desk: MailDesk) -> None:
    octets = HELLO + MAIL + QUIT
    pieces = [octets[at : at + 1] for at in range(len(octets))]

    assert codes(said_to(desk, *pieces))[-2:] == [250, 221]
    assert len(desk.taken) == 1


def test_a_content_that_is_not_what_was_said_is_refused(desk: MailDesk) -> None:
    """The client's SHA-256 is over the content without doubled dots."""
    digest = hashlib.sha256(b"Subject: s\r\n\r\n.hi\r\n").hexdigest().encode()
    envelope = ENVELOPE.replace(b">", b"> XSHA256=" + digest, 1)
    right = envelope + b"Subject: s\r\n\r\n..hi\r\n.\r\n"
    wrong = envelope + b"Subject: s\r\n\r\n.hi\r\n.\r\n"

    lines = said_to(desk, HELLO + wrong + right + QUIT)

    assert codes(lines)[5:] == [554, 250, 250, 354, 250, 221]
    assert "554 5.6.0" in "".join(lines)
    assert [each.content for each in desk.taken] == [b"Subject: s\r\n\r\n.hi\r\n"]


CONTENT = b"Subject: s\r\n\r\n.hi\r\n.\r\nQUIT\r\n"
WHOLE = ENVELOPE.replace(b"DATA", b"XDATA %d" % len(CONTENT)) + CONTENT


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_content_that_is_counted_is_taken_as_it_is(desk: MailDesk, size: int) -> None:
    octets = HELLO + WHOLE + WHOLE + QUIT
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]

    assert codes(said_to(desk, *pieces)) == [220, *[250] * 7, 221]
    assert [each.content for each in desk.taken] == [CONTENT, CONTENT]


@pytest.mark.parametrize(
    "refused", [b"RCPT TO:<x@d.example>\r\n", b"RCPT TO:<no address>\r\n"]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_counted_content_is_for_all_recipients_or_for_none(
    desk: MailDesk, refused: bytes, *, first: bool
) -> None:
    """Nothing of it is taken for a command, either."""
    desk.refuses["x@d.example"] = PermanentError("no")
    place = b"RCPT" if first else b"XDATA"
    octets = WHOLE.replace(place, refused + place, 1)

    lines = said_to(desk, HELLO + octets + WHOLE + QUIT)

    assert codes(lines)[-5:] == [554, 250, 250, 250, 221]
    assert len(desk.taken) == 1
    assert len(desk.taken[0].named) == 1


def test_a_counted_content_without_an_envelope_is_passed_over(desk: MailDesk) -> None:
    lines = said_to(desk, HELLO + b"XDATA 6\r\nQUIT\r\n" + MAIL + QUIT)

    assert codes(lines) == [220, 250, 554, 250, 250, 354, 250, 221]


@pytest.mark.parametrize("size", [b"", b"-1", b"x", b"1 2", b"1000001", b"9" * 30])
def test_a_count_that_is_none_ends_the_session(desk: MailDesk, size: bytes) -> None:
    """Nobody knows where the content ends, and what is a command again."""
    lines = said_to(desk, HELLO + ENVELOPE.replace(b"DATA", b"XDATA " + size) + QUIT)

    assert codes(lines)[-1] == 552
    assert desk.taken == []


@pytest.mark.parametrize("length", range(0, len(WHOLE) - 1, 5))
def test_a_counted_content_that_is_cut_is_no_mail(desk: MailDesk, length: int) -> None:
    said_to(desk, HELLO + WHOLE[:length])

    assert desk.taken == []


@pytest.mark.parametrize("length", range(0, len(HELLO + MAIL) - 1, 3))
def test_a_session_that_is_cut_leaves_no_mail(desk: MailDesk, length: int) -> None:
    said_to(desk, (HELLO + MAIL)[:length])

    assert desk.taken == []
    assert desk.closed == 1


def test_what_is_offered_is_said(desk: MailDesk) -> None:
    lines = said_to(desk, HELLO)

    assert {line[4:] for line in lines[1:]} == {
        *("host.test", "PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8"),
        *("ENHANCEDSTATUSCODES", "DSN", "XKEY", "XVERP"),
        *("XSHA256", "XDATA", "HELP"),
    }


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"MAIL FROM:<a@b>\r\n", 503),
        (HELLO + b"RCPT TO:<a@b>\r\n", 503),
        (HELLO + b"DATA\r\n", 503),
        (HELLO + b"MAIL FROM:<a@b>\r\nDATA\r\n", 503),
        (HELLO + b"MAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\n", 503),
        (b"EHLO\r\n", 501),
        (b"HELO a b\r\n", 501),
        (HELLO + b"RSET x\r\n", 501),
        (HELLO + b"STARTTLS\r\n", 502),
        (HELLO + b"AUTH PLAIN AGEAYg==\r\n", 502),
        (HELLO + b"\r\n", 502),
        (HELLO + b"NOOP\n", 500),
        (HELLO + b"NO\rOP\r\n", 500),
        (HELLO + b"NO\0OP\r\n", 500),
        (HELLO + b"NOOP " + b"x" * 1_000_000 + b"\r\n", 500),
        (HELLO + b"MAIL FROM:<a@b> SIZE=1000001\r\n", 552),
        (HELLO + b"XCLIENT ADDR=1 PORT=1 DESTADDR=1 DESTPORT=1\r\n", 550),
        (HELLO + b"\xff\xfe\r\n", 502),
        (HELLO + b"VRFY root\r\n", 252),
        (HELLO + b"HELP\r\n", 214),
        (HELLO + b"NOOP x\r\n", 250),
    ],
)
def test_every_command_has_an_answer(desk: MailDesk, sent: bytes, code: int) -> None:
    lines = said_to(desk, sent, QUIT)

    assert codes(lines)[-2:] == [code, 221]


def test_after_too_many_mistakes_there_is_an_end(desk: MailDesk) -> None:
    lines = said_to(desk, b"NONSENSE\r\n" * 10_000)

    assert codes(lines)[-1] == 421
    assert len(lines) < 30


def test_a_helper_that_endlessly_sends_one_line_is_left(desk: MailDesk) -> None:
    lines = said_to(desk, b"x" * 5_000_000)

    assert codes(lines) == [220]


def test_what_follows_quit_is_not_heard(desk: MailDesk) -> None:
    lines = said_to(desk, HELLO + QUIT + MAIL)

    assert codes(lines) == [220, 250, 221]
    assert desk.taken == []


def test_who_is_too_large_is_cut_off_with_a_word(desk: MailDesk) -> None:
    desk.size_limit = 1000

    lines = said_to(desk, HELLO + ENVELOPE + b"x" * 500_000)

    assert codes(lines)[-1] == 552
    assert desk.told == ["552 larger than 1000 octets (message_size_limit)"]
    assert desk.taken == []


def test_one_recipient_too_many_does_not_spoil_the_others(desk: MailDesk) -> None:
    desk.recipient_limit = 1
    envelope = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<e@f>\r\nDATA\r\n"

    lines = said_to(desk, HELLO + envelope + b"\r\n.\r\n" + QUIT)

    assert codes(lines) == [220, 250, 250, 250, 452, 354, 250, 221]
    assert [each.forward_path for each in desk.taken[0].named] == ["c@d"]


def test_a_refusal_is_answered_and_told(desk: MailDesk) -> None:
    desk.refuses = {
        "c@d.example": PermanentError("no", Reply(550, "5.1.1", "nobody\r\n250 x")),
        "take": TransientError("later"),
    }
    to_another = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d.example>\r\nRCPT TO:<e@f>\r\n"

    lines = said_to(desk, HELLO + to_another + b"DATA\r\n.\r\n" + QUIT)

    assert codes(lines)[2:] == [250, 550, 250, 354, 451, 221]
    assert "550 5.1.1 nobody  250 x" in lines
    assert desk.told == ["550 no", "451 later"]


def test_a_message_that_was_begun_is_forgotten_by_rset_and_ehlo(
    desk: MailDesk,
) -> None:
    begin = b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"

    lines = said_to(desk, HELLO, begin + b"RSET\r\n", begin + HELLO, b"DATA\r\n")

    assert codes(lines)[-1] == 503
    assert desk.resets == 2


def test_a_gateway_says_for_whom_it_speaks(desk: MailDesk) -> None:
    desk.may_introduce = True
    said = b"XCLIENT ADDR=::1 PORT=4711 DESTADDR=::1 DESTPORT=25\r\n"

    lines = said_to(desk, said + HELLO + MAIL)

    assert codes(lines)[:3] == [220, 220, 250]
    assert desk.clients[0].address == "::1"
    assert desk.clients[0].port == 4711


@pytest.mark.parametrize(
    "said",
    [
        b"XCLIENT ADDR=::1\r\n",
        b"XCLIENT ADDR=::1 PORT=x DESTADDR=::1 DESTPORT=25\r\n",
    ],
)
def test_half_of_a_client_is_none(desk: MailDesk, said: bytes) -> None:
    desk.may_introduce = True

    assert codes(said_to(desk, said))[-1] == 501
    assert desk.clients == []


def test_within_a_message_nobody_becomes_somebody_else(desk: MailDesk) -> None:
    desk.may_introduce = True
    said = b"XCLIENT ADDR=::1 PORT=1 DESTADDR=::1 DESTPORT=25\r\n"

    lines = said_to(desk, HELLO + b"MAIL FROM:<a@b>\r\n" + said)

    assert codes(lines)[-1] == 503


def test_who_says_nothing_is_left_in_the_end_and_told_so(desk: MailDesk) -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        assert (await reader.readline()).startswith(b"220 ")
        assert await reader.read() == b"421 4.4.2 silent for too long\r\n"

    asyncio.run(converse(desk, silent, idle=0.05))

    assert desk.closed == 1


def test_a_stop_while_mail_is_stored_says_so(desk: MailDesk) -> None:
    """Without a word the client would not know what to do."""

    async def run() -> bytes:
        desk.while_taking = asyncio.Event()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        wire = Wire(20)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: wire, ours)
        session = asyncio.create_task(Session(wire, desk, "host.test").run())
        reader, writer = await asyncio.open_connection(sock=theirs)
        writer.write(HELLO + MAIL)
        async with asyncio.timeout(20):
            await desk.is_taking.wait()
            session.cancel()
            writer.write_eof()
            rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(run()).endswith(b"421 4.3.2 maildropd is stopping\r\n")


def test_at_a_stop_what_has_begun_comes_to_its_end(desk: MailDesk) -> None:
    """A restart under load refuses nobody who was in the middle of something."""

    async def run() -> list[str]:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        wire = Wire(20)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: wire, ours)
        talks = Talks()
        running = asyncio.create_task(talks.run(Session(wire, desk, "host.test")))
        reader, writer = await asyncio.open_connection(sock=theirs)
        async with asyncio.timeout(20):
            await reader.readline()
            talks.stop()
            writer.write(HELLO + MAIL + b"MAIL FROM:<a@b>\r\n")
            rest = await reader.read()
            writer.close()
            await running
        return rest.decode().splitlines()

    assert codes(asyncio.run(run())) == [250, 250, 250, 354, 250, 421]
    assert len(desk.taken) == 1


def test_at_a_stop_who_says_nothing_hears_so(desk: MailDesk) -> None:
    async def run() -> bytes:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        wire = Wire(200)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: wire, ours)
        talks = Talks()
        talks.stop()
        running = asyncio.create_task(talks.run(Session(wire, desk, "host.test")))
        reader, writer = await asyncio.open_connection(sock=theirs)
        async with asyncio.timeout(20):
            rest = await reader.read()
            writer.close()
            await running
        return rest

    assert asyncio.run(run()).endswith(b"421 4.3.2 maildropd is stopping\r\n")
