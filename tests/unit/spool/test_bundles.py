# SPDX-License-Identifier: Apache-2.0
"""Files of several frames: all of it is read first, then each mail is its own."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.errors import StoreFull
from maildropd.mail.events import MessageQuarantined
from tests.unit.spool.stage import Stage

DAY = timedelta(days=1)
POLLED = timedelta(minutes=2)
STAGED = "." + "ab" * 16


def key(number: int) -> str:
    return f"{number:032x}"


def frame(number: int, content: bytes, *recipients: str) -> bytes:
    words = ["api", "-i", "-f", "a@example.org", "--", *recipients]
    head = "\0".join(["#!sendmail", key(number), str(len(words)), *words, ""])
    return head.encode() + b"%d\n%b0\n" % (len(content), content)


def mail(number: int) -> bytes:
    return f"Subject: {number}\r\n\r\nhello\r\n".encode()


def bundle(*numbers: int) -> bytes:
    return b"".join(frame(each, mail(each), "bob@example.net") for each in numbers)


def own_key(number: int) -> str:
    return f"client:{os.getuid()}:{key(number)}"


def reason(stage: Stage) -> str:
    (said,) = stage.config.quarantine.glob("*.reason")
    return said.read_text()


def test_each_mail_of_a_file_is_stored_under_its_own_key(stage: Stage) -> None:
    stage.write("bundle", bundle(1, 2, 3))

    stage.rest()

    assert stage.contents == [mail(1), mail(2), mail(3)]
    assert [each.key for each in stage.store.taken] == [own_key(n) for n in (1, 2, 3)]
    assert stage.names() == []


@pytest.mark.parametrize(
    "end",
    [
        bundle(3)[:-1],
        b"Subject: 3\r\n\r\nhello\r\n",
        frame(3, mail(3), "bob@example.net").replace(b"-i", b"-?"),
        frame(3, mail(3), "bob@example.net").replace(b"api\0-i", b"api\0-q"),
        b"\0",
    ],
)
def test_nothing_of_a_file_is_sent_that_is_not_all_frames(
    stage: Stage, end: bytes
) -> None:
    """Whoever wrote it meant all of it to leave, or none."""
    stage.write("bundle", bundle(1, 2) + end)

    stage.rest()

    assert stage.contents == []
    assert len(stage.quarantined()) == 2
    assert "Nothing of it was sent" in reason(stage)


def test_one_mail_that_is_refused_stops_no_other_and_is_kept(stage: Stage) -> None:
    content = bundle(1) + frame(2, mail(2), "no address") + bundle(3)
    stage.write("bundle", content)

    stage.rest()

    assert stage.contents == [mail(1), mail(3)]
    (aside,) = [name for name in stage.quarantined() if name.endswith("-bundle")]
    assert (stage.config.quarantine / aside).read_bytes() == content
    assert "1 of its 3 mails are refused, the others were sent" in reason(stage)
    assert key(2) in reason(stage)
    assert len(stage.journal.of(MessageQuarantined)) == 1


def test_a_file_that_comes_back_from_quarantine_sends_nothing_twice(
    stage: Stage,
) -> None:
    stage.write("bundle", bundle(1) + frame(2, mail(2), "no address"))
    stage.rest()

    stage.write("mended", bundle(1) + frame(2, mail(2), "carol@example.net"))
    stage.rest(POLLED)

    assert stage.contents == [mail(1), mail(2)]


def test_a_file_whose_mails_are_all_refused_says_so(stage: Stage) -> None:
    stage.write("bundle", frame(1, mail(1), "no address") * 2)

    stage.rest()

    assert "2 of its 2 mails are refused, nothing was sent" in reason(stage)


def test_a_file_stays_until_all_of_it_is_stored(stage: Stage) -> None:
    stage.store.troubles.extend([None, StoreFull("full")])
    stage.write("bundle", bundle(1, 2, 3))

    stage.rest()
    assert stage.names() == ["bundle"]
    assert stage.contents == [mail(1), mail(3)]

    stage.rest(POLLED)
    assert stage.names() == []
    assert stage.contents == [mail(1), mail(3), mail(2)]
    assert stage.store.submissions == 4, "what was stored is not submitted again"


def test_a_daemon_that_is_new_makes_nothing_twice_of_a_file(stage: Stage) -> None:
    stage.store.troubles.extend([None, StoreFull("full")])
    stage.write("bundle", bundle(1, 2))
    stage.rest()

    stage.restart()
    stage.rest()

    assert stage.names() == []
    assert stage.contents == [mail(1), mail(2)]


def test_the_limit_of_the_size_is_for_each_mail_of_a_file(tmp_path: Path) -> None:
    stage = Stage(tmp_path, limit=1000)
    large = b"Subject: x\r\n\r\n" + b"x" * 990 + b"\r\n"
    stage.write("many", bundle(*range(1, 100)))
    stage.rest()
    assert len(stage.contents) == 99

    stage.write("large", frame(101, large, "bob@example.net") + bundle(102))
    stage.rest(POLLED)

    assert stage.contents[99:] == [mail(102)]
    assert "1 of its 2 mails are refused" in reason(stage)
    stage.close()


def test_what_is_staged_is_never_sent_by_itself(stage: Stage) -> None:
    stage.write(STAGED, bundle(1))

    stage.rest(DAY / 2)
    assert stage.names() == [STAGED]
    stage.rest(DAY)

    assert stage.contents == []
    assert stage.names() == []
    assert "unreleased, for 1 days" in reason(stage)


def test_other_hidden_files_are_left_alone(stage: Stage) -> None:
    names = [".draft", ".0123", STAGED + "x"]
    for name in names:
        stage.write(name, bundle(1))

    stage.rest(2 * DAY)

    assert stage.names() == sorted(names)


def test_what_is_staged_holds_up_nothing(stage: Stage) -> None:
    stage.write(STAGED, bundle(1))
    (stage.path / ("." + "cd" * 16)).mkdir()
    stage.write("bundle", bundle(2))

    stage.rest(2 * DAY)

    assert stage.contents == [mail(2)]


@pytest.mark.parametrize(
    ("spool", "way"), [("drop", "sendmail"), ("shop", "spool=shop")]
)
def test_a_spool_of_its_own_is_the_way_in_that_routes_are_asked_for(
    stage: Stage, spool: str, way: str
) -> None:
    """The drop stands in for the socket; nothing else does."""
    stage.restart(name=spool)
    stage.write("bundle", bundle(1))

    stage.rest()

    assert [each.submitter.name for each in stage.store.taken] == [way]
