# SPDX-License-Identifier: Apache-2.0
"""Any message from Python, by each form it may take on its way, and back."""

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildropd import api
from maildropd.client import dialogue, frames
from maildropd.client.dialogue import Replies
from maildropd.edge.parcel import Allowance, Parcel, header_of
from maildropd.edge.sendmail.handover import draft as handed_over
from maildropd.edge.smtp import grammar
from maildropd.edge.smtp.contents import Contents
from maildropd.edge.spool.frames import Letter, Reader, check
from maildropd.mail.draft import Draft, Recipient
from maildropd.mail.envelope import Submitter, Terms
from tests.fakes.gate import OpenGate
from tests.fuzz.test_any_doors import cut

always = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
often = settings(always, max_examples=1000)
ten_thousand = settings(always, max_examples=10_000)
NOWHERE = Path("/nowhere")  # all of it is in memory
WHO = Submitter(name="sendmail", uid=1000)

FIELDS = st.sampled_from(
    [
        *(
            "From: a@example.org",
            "Subject: d\u00e9j\u00e0 \U0001f600",
            "X:",
            "To: b, c",
        ),
        *("Message-ID: <1@example.org>", "Subject: folded\n\tmore", "odd line"),
        *("From x Sat Nov 28", ">From y", "#!sendmail\0", ".", "Received: by x; y"),
    ]
)
HIDDEN = st.sampled_from(
    ["Bcc: s@example.net", "bcc:\n x", "Return-Path: <r@example.org>"]
)
LINES = st.sampled_from(
    [
        *("", ".", "..", "x" * 1500, "\0", "\ud83d", "\udcff", "\u2028", "From z"),
        *("0", "12", "#!sendmail\0", "0\n", "Bcc: in the text", "\x85", "\v\f"),
    ]
)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
NAMES = st.sampled_from(
    [
        *(
            "b@example.net",
            "root",
            '"a b"@example.net',
            "a..b@example.net",
            ".@x.example",
        ),
        *(
            "-f@example.net",
            "j\u00f6rg@ex\u00e4mple.net",
            "a@[192.0.2.1]",
            "--@x.example",
        ),
        *(
            '"a\\"b"@example.net',
            "A <c@example.net>",
            "g: d@example.net, e;",
            "+=@x.example",
        ),
    ]
)


VERPS = st.sampled_from([False, True, "-=", "=="])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Draw a message in some form; one without a word is none."""
    end = draw(ENDS)
    header = draw(st.lists(FIELDS | HIDDEN, max_size=4))
    body = [*draw(st.lists(LINES, max_size=6)), draw(st.text(max_size=20))]
    text = "\n".join(["X-First: x"] * draw(st.booleans()) + header + ["", *body, "end"])
    octets = text.replace("\n", end).encode("utf-8", "surrogatepass")
    return octets + draw(st.sampled_from([b"", b"\n", b"\r\n"]))


@st.composite
def submissions(draw: st.DrawFn) -> api.Submission:
    """Draw what a program hands over, prepared."""
    sender = draw(NAMES.filter(lambda name: "," not in name) | st.just("<>"))
    named = draw(st.lists(NAMES, min_size=1, max_size=3))
    wishes: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "notify": st.sampled_from(["never", "success,failure,delay"]),
                "ret": st.sampled_from(["full", "hdrs"]),
                "envid": st.text(min_size=1, max_size=8),
            },
        )
    )
    wishes["verp"] = draw(VERPS) if sender != "<>" else False
    return api.prepare(draw(messages()), sender, named, **wishes)


def by_the_socket(one: api.Submission, places: list[int]) -> Draft:
    """Return what the daemon understands of what is said to its socket."""
    said, replies = dialogue.envelope(one)
    mail, *named, data, rest = said.decode("utf-8").split("\r\n")
    assert (data, rest, replies) == ("DATA", "", len(named) + 2)
    offer = grammar.mail(mail.removeprefix("MAIL "))
    rcpts = [
        grammar.rcpt(each.removeprefix("RCPT "), utf8=offer.utf8) for each in named
    ]
    assert (offer.key, offer.size) == (one.key, one.size)
    contents = Contents()
    with closing(Parcel(Allowance(10**9, NOWHERE), 10**9)) as parcel:
        for piece in cut(dialogue.content(one), places):
            parcel.write(contents.feed(piece))
        assert contents.rest == b""
        head, end = header_of(parcel)
        return Draft(
            reverse_path=offer.reverse_path,
            recipients=tuple(
                Recipient(
                    forward_path=each.forward_path, terms=Terms(notify=each.notify)
                )
                for each in rcpts
            ),
            header=head[:end],
            body=tuple(parcel.after(end)),
            ret=offer.ret,
            envid=offer.envid,
            verp=offer.verp,
        )


def by_the_drop(octets: bytes, places: list[int]) -> Iterator[tuple[str, Draft]]:
    """Yield key and mail of each frame of a file."""
    reader = Reader(cut(octets, places))
    while True:
        with closing(Parcel(Allowance(10**9, NOWHERE), 10**9)) as parcel:
            letter = Letter(parcel)
            if not reader.next(letter.begin, letter.write):
                return
            found = handed_over(letter.found, parcel, OpenGate(), WHO)
            yield letter.key, replace(found, body=tuple(found.body), size=0)


def whole(draft: Draft) -> bytes:
    return draft.header + b"".join(draft.body)


PLACES = st.lists(st.integers(0, 3000), max_size=5)


@ten_thousand
@given(submissions(), PLACES)
def test_socket_and_drop_carry_the_same_mail_octet_for_octet(
    one: api.Submission, places: list[int]
) -> None:
    carried_alike([one], places)


@often
@given(st.lists(submissions(), min_size=2, max_size=4), PLACES)
def test_a_bundle_carries_each_mail_octet_for_octet(
    mails: list[api.Submission], places: list[int]
) -> None:
    carried_alike(mails, places)


def carried_alike(mails: list[api.Submission], places: list[int]) -> None:
    """Say what holds: whatever the door, the daemon understands the same."""
    octets = b"".join(b"".join(frames.frame(one)) for one in mails)

    assert check(cut(octets, places)) == len(mails)
    left = list(by_the_drop(octets, places))

    assert [key for key, _ in left] == [one.key for one in mails]
    for one, (_, by_drop) in zip(mails, left, strict=True):
        by_socket = by_the_socket(one, places)
        assert whole(by_drop) == whole(by_socket) == one.content
        assert by_drop == replace(by_socket, body=by_drop.body)
        assert by_drop.reverse_path == one.sender
        assert tuple(each.forward_path for each in by_drop.recipients) == one.recipients


@often
@given(messages())
def test_nothing_of_a_message_is_lost_but_line_ends_and_what_is_secret(
    message: bytes,
) -> None:
    content = api.prepare(message, "a@example.org", "b@example.net").content

    meant = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    meant += b"\r\n" * (not meant.endswith(b"\r\n"))
    header, _, body = meant.partition(b"\r\n\r\n")
    assert content.endswith(body)
    assert re.sub(rb"\r\n|\r|\n", b"", content) == content.replace(b"\r\n", b"")
    if not re.search(rb"(?mi)^(bcc:|return-path:|>?from )", header):
        assert content == meant


@always
@given(st.binary(max_size=100), PLACES)
def test_any_octets_are_replies_or_are_refused(
    octets: bytes, places: list[int]
) -> None:
    replies = Replies()
    for piece in cut(octets + b"\r\n", places):
        replies.feed(piece)
        try:
            while (reply := replies.next()) is not None:
                assert 0 <= reply.code <= 999
        except dialogue.Lost:
            return
