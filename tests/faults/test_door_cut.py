# SPDX-License-Identifier: Apache-2.0
"""Who is cut off in the middle has sent nothing; who was heard to his end, one mail."""

from collections.abc import Iterator

import pytest

from tests.faults.door_stage import DOORS, SENDMAIL, SMTP, Stage, opened
from tests.faults.door_talk import HELLO, Mail, Talk, envelope, frame

CONTENT = b"To: bob@example.net\r\n\r\n.\r\nx\r\n"
DIALOGUE = (
    HELLO
    + envelope(Mail(content=CONTENT))
    + b"DATA\r\n"
    + CONTENT.replace(b"\r\n.", b"\r\n..")
    + b".\r\n"
)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with opened() as stage, stage.unharmed():
        yield stage


def whole(door: str) -> bytes:
    """Return all that a client says; each time it is another mail."""
    if door == SENDMAIL:
        return frame(b"sendmail", b"-t", b"-i", content=CONTENT)
    return DIALOGUE


@pytest.mark.parametrize("way", [Talk.stop, Talk.break_off])
@pytest.mark.parametrize("door", DOORS)
def test_a_session_that_is_cut_anywhere_leaves_no_mail(
    stage: Stage, door: str, way: object
) -> None:
    """At every octet, by a client that hangs up and by one that is killed."""
    assert callable(way)
    with stage.nothing_taken():
        for length in range(len(whole(door))):
            with stage.connect(door) as talk:
                talk.say(whole(door)[:length])
                way(talk)


@pytest.mark.parametrize("door", DOORS)
def test_in_two_pieces_it_is_the_same_mail(stage: Stage, door: str) -> None:
    before = stage.told("MessageAccepted")
    cuts = range(1, len(whole(door)), 3)

    for length in cuts:
        with stage.connect(door) as talk:
            octets = whole(door)
            talk.say(octets[:length])
            talk.say(octets[length:])
            talk.stop()
            said = talk.all_of_it()
        assert said == b"0 " if door == SENDMAIL else b"queued as" in said

    stage.good(door)
    stage.daemon.wait_for("MessageAccepted", before + len(cuts) + 1)
    assert stage.daemon.count("MessageAccepted") == before + len(cuts) + 1
    contents = {
        taken.content.partition(b"\r\nTo: ")[2]
        for taken in stage.server.delivered
        if taken.recipients == ("bob@example.net",)
    }
    assert contents == {CONTENT.removeprefix(b"To: ")}


@pytest.mark.parametrize("door", DOORS)
def test_who_says_all_and_does_not_wait_has_sent_one_at_most(
    stage: Stage, door: str
) -> None:
    """Who hangs up on our greeting may take his own words back with it."""
    before = stage.told("MessageAccepted")

    with stage.connect(door) as talk:
        talk.say(whole(door))
        talk.stop()
    stage.good(door)

    sent = stage.daemon.count("MessageAccepted") - before - 1
    assert sent in ({1} if door == SENDMAIL else {0, 1})


@pytest.mark.parametrize("door", SMTP)
def test_the_same_key_is_the_same_mail(stage: Stage, door: str) -> None:
    """Who heard no answer says it again, and it goes out once."""
    again = DIALOGUE.replace(b".org>", b".org> XKEY=" + door.encode())

    before = stage.told("MessageAccepted")
    for _ in range(3):
        with stage.connect(door) as talk:
            talk.say(again + b"QUIT\r\n")
            assert talk.rest()[-2].startswith("250 ")
    stage.good(door)

    stage.daemon.wait_for("MessageAccepted", before + 2)
    assert stage.daemon.count("MessageAccepted") == before + 2
