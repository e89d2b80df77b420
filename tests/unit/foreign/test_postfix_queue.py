# SPDX-License-Identifier: Apache-2.0
"""What lies in the queues of Postfix, as cleanup(8) and postdrop(1) write it."""

import os
from pathlib import Path

import pytest

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.postfix_queue import busy, queued
from maildropd.foreign.queued import Queued
from tests.integration.old_systems import records

HEAD = ((b"C", b"  51 "), (b"T", b"17958 1"), (b"A", b"rewrite_context=local"))
TEXT = (
    (b"N", b"Subject: s"),
    (b"N", b""),
    (b"L", b"x" * 300),
    (b"N", b"y"),
    (b"N", b""),
)
END = ((b"X", b""), (b"E", b""))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    for name in ("maildrop", "incoming", "active", "deferred/A", "hold", "defer/A"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path


def put(path: Path, *them: tuple[bytes, bytes], mode: int = 0o700) -> Path:
    path.write_bytes(records(*them))
    path.chmod(mode)
    return path


def only(spool: Path) -> Queued:
    (mail,) = queued(spool)
    return mail


def test_a_deferred_mail_is_for_those_who_have_not_had_it(spool: Path) -> None:
    envelope = ((b"S", b"a@x.example"), (b"R", b"b@x.example"), (b"D", b"c@x.example"))
    more = ((b"O", b"d@x.example"), (b"R", b"d@y.example"), (b"M", b""))
    put(spool / "deferred/A/A1", *HEAD, *envelope, *more, *TEXT, *END)
    (spool / "defer/A/A1").write_text("<b@x.example>: refused\n")

    mail = only(spool)

    assert (mail.state, mail.reverse_path) == ("ready", "a@x.example")
    assert mail.recipients == ("b@x.example", "d@y.example")
    assert mail.content == b"Subject: s\n\n" + b"x" * 300 + b"y\n\n"
    assert mail.also == (spool / "defer/A/A1",)


def test_recipients_of_what_was_not_picked_up_stand_at_the_end(spool: Path) -> None:
    """And its Bcc was still to be taken out."""
    text = ((b"N", b"Bcc: h@x.example"), *TEXT)
    end = ((b"X", b""), (b"R", b"b@x.example"), (b"E", b""))
    put(spool / "maildrop/1", *HEAD, (b"S", b""), (b"M", b""), *text, *end, mode=0o744)

    mail = only(spool)

    assert (mail.reverse_path, mail.recipients) == (None, ("b@x.example",))
    assert mail.content.startswith(b"Subject: s\n\n")


def test_what_is_on_hold_stays_so(spool: Path) -> None:
    them = ((b"S", b"a@x.example"), (b"R", b"b@x.example"), (b"M", b""))
    put(spool / "hold/A2", *them, *TEXT, *END)

    assert only(spool).state == "held"


def test_a_pointer_leads_to_where_a_filter_wrote(spool: Path) -> None:
    """A record that was too short for its new text refers to the end of the file."""
    before = records(*HEAD, (b"S", b"a@x.example"), (b"R", b"b@x.example"), (b"M", b""))
    pointer = b"%15d" % (len(before) + 17 + len(records((b"N", b"Old: 1"))))
    old = before + records((b"p", pointer), (b"N", b"Old: 1"))
    new = records((b"N", b"New: 2"), (b"N", b""), (b"N", b"hi"), *END)
    path = spool / "active/A3"
    path.write_bytes(old + new)
    path.chmod(0o700)

    assert only(spool).content == b"New: 2\n\nhi\n"


@pytest.mark.parametrize(
    ("named", "address"),
    [
        (b"a,b@x.example", '"a,b"@x.example'),
        (b'a"b c@x.example', '"a\\"b c"@x.example'),
        (b"root", "root"),
    ],
)
def test_an_odd_name_is_one_address(spool: Path, named: bytes, address: str) -> None:
    """Postfix keeps addresses without the quotes that they have in a header."""
    them = ((b"S", b"a@x.example"), (b"R", named), (b"M", b""))
    put(spool / "active/A4", *them, *TEXT, *END)

    assert only(spool).recipients == (address,)


@pytest.mark.parametrize(
    ("octets", "mode", "why"),
    [
        (records((b"R", b"b@x.example"), (b"M", b""), *TEXT, *END), 0o600, "not whole"),
        (records((b"R", b"b@x.example"), (b"M", b""), *TEXT), 0o700, "last record"),
        (records((b"R", b"b@x.example"), (b"M", b""), *TEXT)[:-3], 0o700, "not whole"),
        (records((b"D", b"b@x.example"), (b"M", b""), *TEXT, *END), 0o700, "nobody"),
        (records((b"R", b"b@x.example"), (b"M", b""), *END), 0o700, "no message"),
        (records((b"R", b"b@x y"), (b"M", b""), *TEXT, *END), 0o700, "x y"),
        (records((b"p", b"0000000000000"), *END)[:5] + b"\xff" * 9, 0o700, "whole"),
        (b"R" + b"\xff" * 9, 0o700, "without a length"),
        (records((b"p", b"x"), *END), 0o700, "do not lead to an end"),
        (
            records((b"A", b"x" * 12), (b"p", b"14"), *END),
            0o700,
            "do not lead to an end",
        ),
    ],
)
def test_what_is_no_whole_file_says_why(
    spool: Path, octets: bytes, mode: int, why: str
) -> None:
    path = spool / "incoming" / "A5"
    path.write_bytes(octets)
    path.chmod(mode)

    mail = only(spool)

    assert mail.state == "unreadable"
    assert why in mail.why


def test_postfix_is_busy_while_its_master_runs(spool: Path) -> None:
    (spool / "pid").mkdir()
    (spool / "pid/master.pid").write_text(f"{os.getpid():>10}\n")  # somebody else's now

    assert busy(spool) == ""


def test_another_folder_is_none_of_postfix(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no queues of Postfix"):
        list(queued(tmp_path))
