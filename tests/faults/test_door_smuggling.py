# SPDX-License-Identifier: Apache-2.0
"""What looks like an end to one and like text to another smuggles nothing in.

SMTP smuggling (CVE-2023-51764 and others): a second mail, in somebody else's
name, behind an end that only one of two servers takes for one.
"""

from collections.abc import Iterator

import pytest

from tests.faults.door_stage import DOORS, SENDMAIL, SMTP, Stage, opened
from tests.faults.door_talk import HELLO, Mail
from tests.faults.input_stage import wire

FORGED = (
    b"MAIL FROM:<ceo@example.org>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\n"
    b"Subject: forged\r\n\r\nPay.\r\n"
)
ENDS = [
    *(b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r.\n"),
    *(b"\r\r\n.\r\r\n", b"\n.\r", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\0\r\n.\r\0\n"),
]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with opened() as stage, stage.unharmed():
        yield stage


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_almost_an_end_is_text(stage: Stage, door: str, end: bytes) -> None:
    body = b"\r\nfirst" + end + FORGED

    path = stage.hand_marked(door, Mail(content=b"Subject: one\r\n" + body, to=()))

    taken = stage.arrives(path)
    assert taken.recipients == (path,)
    assert taken.content.endswith(b"Subject: one\r\n" + wire(body))
    assert taken.content.count(b"\r") == taken.content.count(b"\n")
    nobody_got_the_forged(stage)


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\r\n", b"\r\n.\n"])
def test_what_follows_the_lone_dot_of_sendmail_is_dropped(
    stage: Stage, end: bytes
) -> None:
    """Without -i the input ends there; nothing behind it is a command of anybody."""
    content = b"Subject: one\r\n\r\nfirst" + end + FORGED

    path = stage.hand_marked(SENDMAIL, Mail(content=content, to=(), options=()))

    assert stage.arrives(path).content.endswith(b"\r\n\r\nfirst\r\n")
    nobody_got_the_forged(stage)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r", b"\r\r\n", b"\0\r\n", b"\0\n"])
@pytest.mark.parametrize("door", SMTP)
def test_only_cr_lf_ends_a_command(stage: Stage, door: str, end: bytes) -> None:
    """RFC 5321 2.3.8: else a value that holds a bare LF would say two commands."""
    hidden = FORGED.replace(b"\r\n", end)

    with stage.nothing_taken(), stage.connect(door) as talk:
        talk.say(HELLO + hidden + b"\r\nRSET\r\nQUIT\r\n")
        said = talk.rest()

    assert said[-1].startswith("221 ")
    assert {line[:4] for line in said[2:-2]} <= {"500 ", "502 "}
    nobody_got_the_forged(stage)


def nobody_got_the_forged(stage: Stage) -> None:
    assert not any(
        "victim@example.net" in each.recipients for each in stage.server.ledger
    )
