# SPDX-License-Identifier: Apache-2.0
"""What hypothesis draws for the store: mails, and what becomes of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st

from maildropd.mail.envelope import DEFAULT_TERMS, Submission, Submitter, Terms
from maildropd.mail.reply import Reply
from maildropd.store.base import State
from maildropd.store.content import ROW_LIMIT

_PIECE = 64 * 1024
PATHS = st.sampled_from(
    ["a@example.net", "b@example.net", "root", '"x y"@example.org', "ü@example.net"]
)
LIFETIMES = [timedelta(seconds=n) for n in (1, 60, 90_000)]
REPLIES = st.sampled_from(
    [None, Reply(250, "2.0.0", "ok"), Reply(451, "4.7.1", "later"), Reply(550, "5.1.1")]
)

TERMS = st.sampled_from(
    [DEFAULT_TERMS, Terms(notify="NEVER"), Terms(orcpt="rfc822;a"), Terms(run="|/b")]
)
SUBMITTERS = st.sampled_from(
    [
        Submitter(name="spool=drop"),
        Submitter(name="spool=drop", uid=1000),
        Submitter(name="sendmail", uid=0, unit="cron.service", rules="staging"),
    ]
)


@dataclass(frozen=True, slots=True)
class Large:
    """Content that needs a file; it is shown by what it is made of."""

    octet: int
    size: int

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, self.size, _PIECE):
            yield bytes([self.octet]) * min(_PIECE, self.size - at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What is to become of one leased recipient."""

    state: State | None
    attempted: bool
    wait: timedelta
    reply: Reply | None
    relay: str


FATES = st.builds(
    Fate,
    state=st.sampled_from([None, *State]),
    attempted=st.booleans(),
    wait=st.sampled_from([timedelta(seconds=n) for n in (-1, 0, 30, 300, 90_000)]),
    reply=REPLIES,
    relay=st.sampled_from(["", "mx.example.net:25"]),
)


@st.composite
def mails(draw: st.DrawFn, *, large: bool = False) -> Submission:
    """Draw a submission; one in ten, or each if ``large``, needs a file."""
    content: Large | list[bytes]
    if large or draw(st.integers(0, 9)) == 9:
        size = ROW_LIMIT + draw(st.integers(int(large), 2))
        content = Large(draw(st.integers(0, 255)), size)
    else:
        content = draw(st.lists(st.binary(max_size=20), max_size=3))
    recipients = tuple(draw(st.lists(PATHS, min_size=1, max_size=4)))
    terms = draw(st.none() | st.tuples(*[TERMS] * len(recipients)))
    return Submission(
        reverse_path=draw(st.sampled_from([None, "", "ann@example.org"])),
        recipients=recipients,
        submitter=draw(SUBMITTERS),
        content=content,
        key=draw(st.sampled_from([None, "k", "l", "m"])),
        key_lifetime=draw(st.sampled_from([None, *LIFETIMES])),
        terms=terms or (),
        ret=draw(st.sampled_from(["", "HDRS"])),
        envid=draw(st.sampled_from(["", "+2B"])),
        message_id=draw(st.sampled_from([None, "<1@example.org>"])),
    )
