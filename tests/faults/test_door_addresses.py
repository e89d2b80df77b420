# SPDX-License-Identifier: Apache-2.0
"""An address is an address: no option, no command, no file, no second line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.door_stage import DOORS, SENDMAIL, SMTP, UNIX, Stage, opened
from tests.faults.door_talk import HELLO, Answer, Mail, frame, told

CONTENT = b"Subject: s\r\n\r\nA line.\r\n"
UTF8 = "g\u00fcnter@example.net".encode()
LONG = b"a" * 65 + b"@example.net"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with opened() as stage, stage.unharmed():
        yield stage


# What is said, and what reaches the smarthost: between < and >, and nothing else.
ODD = [
    (b"-bob@example.net", "-bob@example.net"),
    (b"-oQ/tmp@example.net", "-oQ/tmp@example.net"),
    (b"--@example.net", "--@example.net"),
    (b"-t", "-t@host.test"),
    (b"|id@example.net", "|id@example.net"),
    (b"|id", "|id@host.test"),
    (b'"|touch made"@example.net', '"|touch made"@example.net'),
    (b"/made", "/made@host.test"),
    (b"/made@example.net", "/made@example.net"),
    (b"`id`$IFS@example.net", "`id`$IFS@example.net"),
    (b'"a b"@example.net', '"a b"@example.net'),
    (b'"a\\"b"@example.net', '"a\\"b"@example.net'),
    (b'"a>b"@example.net', '"a>b"@example.net'),
    (b'"a@b"@example.net', '"a@b"@example.net'),
    (b'"a,b"@example.net', '"a,b"@example.net'),
    (b'"carol"@example.net', "carol@example.net"),
    (b"dave%example.net@example.org", "dave%example.net@example.org"),
    (b"erin!example.net@example.org", "erin!example.net@example.org"),
    (b"frank@[192.0.2.1]", "frank@[192.0.2.1]"),
    (b"a" * 64 + b"@example.net", "a" * 64 + "@example.net"),
]


@pytest.mark.parametrize(("said", "meant"), ODD)
@pytest.mark.parametrize("door", DOORS)
def test_an_odd_address_is_one_address_of_an_envelope(
    stage: Stage, door: str, said: bytes, meant: str
) -> None:
    path = stage.hand_marked(door, Mail(content=CONTENT, to=(said,)))

    assert stage.arrives(path).recipients == (meant, path)
    nothing_was_run(stage)


@pytest.mark.parametrize(("said", "meant"), ODD)
@pytest.mark.parametrize("door", DOORS)
def test_an_odd_sender_is_one_address_of_an_envelope(
    stage: Stage, door: str, said: bytes, meant: str
) -> None:
    path = stage.hand_marked(door, Mail(content=CONTENT, to=(), sender=said))

    assert f"MAIL FROM:<{meant}> ".encode() in stage.arrives(path).mail
    nothing_was_run(stage)


@pytest.mark.parametrize("door", SMTP)
def test_a_source_route_is_dropped(stage: Stage, door: str) -> None:
    """RFC 5321 appendix C: it may be ignored."""
    route = b"@a.example,@b.example:bob@example.net"

    path = stage.hand_marked(door, Mail(content=CONTENT, to=(route,), sender=route))

    taken = stage.arrives(path)
    assert taken.recipients == ("bob@example.net", path)
    assert b"<bob@example.net>" in taken.mail


@pytest.mark.parametrize("door", DOORS)
def test_the_null_sender_is_kept(stage: Stage, door: str) -> None:
    path = stage.hand_marked(door, Mail(content=CONTENT, to=(), sender=b""))

    assert stage.arrives(path).mail.startswith(b"MAIL FROM:<> ")


@pytest.mark.parametrize("door", DOORS)
def test_beyond_ascii_goes_where_it_was_announced(stage: Stage, door: str) -> None:
    mail = Mail(content=CONTENT, to=(UTF8,), sender=UTF8, more=b" SMTPUTF8")

    path = stage.hand_marked(door, mail)

    taken = stage.arrives(path)
    assert taken.recipients == (UTF8.decode(), path)
    assert taken.mail.startswith(b"MAIL FROM:<" + UTF8)


@pytest.mark.parametrize("mail", [{"sender": UTF8}, {"to": (UTF8,)}])
@pytest.mark.parametrize("door", SMTP)
def test_beyond_ascii_needs_smtputf8(
    stage: Stage, door: str, mail: dict[str, bytes]
) -> None:
    answer = stage.hand_over(door, Mail(content=CONTENT, **mail))  # type: ignore[arg-type]  # one is a list

    assert answer.words.startswith("553 5.6.7 ")


# Words that are no address: at each door, as recipient and as sender.
BAD = [
    *(b"bob\rx@example.net", b"bob@example.net\r", b"bob@example.net\rRCPT TO:<x@y>"),
    *(b"bob\nx@example.net", b"bob@example.net\n", b"bob\n@example.net"),
    *(b"bob@example.net\r\n eve@example.net", b"bob\r\n @example.net"),
    *(b"bob@example.net\r\nRCPT TO:<eve@example.net>", b"bob@\r\nexample.net"),
    *(b"@", b"bob@", b"a@b@example.net", b"a b@example.net", b"bob@exa mple.net"),
    *(b"bob@example..net", b'"bob@example.net', b'"a"b@example.net', b"<bob"),
    *(b"bob@[192.0.2.1", b'"|touch made"', LONG, b"a@" + b"b" * 300),
    *(b"\xff@example.net", b"bob@\xff.net", b"\xed\xa0\x80@b.net", b"\x01@b.net"),
    *(b"\x7f@b.net", "a\u202eb@example.net".encode()),
]


@pytest.mark.parametrize("address", BAD)
@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_address_is_refused_with_a_code(
    stage: Stage, door: str, address: bytes
) -> None:
    with stage.nothing_taken():
        to = stage.hand_over(door, Mail(content=CONTENT, to=(address,)))
        by = stage.hand_over(door, Mail(content=CONTENT, sender=address))

    check_refusal(door, to)
    check_refusal(door, by)
    assert not any(b"eve@" in line for line in stage.server.heard)


@pytest.mark.parametrize("door", [UNIX, SENDMAIL])
def test_the_log_says_who_said_what_is_no_address(stage: Stage, door: str) -> None:
    before = stage.told("SubmissionRefused")

    assert not stage.hand_over(door, Mail(content=CONTENT, to=(LONG,))).accepted

    for event in stage.daemon.wait_for("SubmissionRefused", before + 1)[before:]:
        assert event["MAILDROP_SUBMITTER_UID"] == "65534"
        assert "RFC 5321" in event["MAILDROP_REASON"]


@pytest.mark.parametrize(
    "fields",
    [
        b"To: bob@example.net\r\n\r\n",
        b"To: bob@example.net,\r\n eve@example.org\r\n",
        b"Cc: -bob@example.net, |id@example.net, /made@example.net\r\n",
        b'To: "|touch made" <bob@example.net>\r\n',
        b"Bcc: bob@example.net\r\n",
    ],
)
def test_a_header_names_addresses_and_nothing_else(stage: Stage, fields: bytes) -> None:
    path = stage.hand_marked(
        SENDMAIL, Mail(content=fields + CONTENT, to=(), options=(b"-i", b"-t"))
    )

    for address in stage.arrives(path).recipients:
        assert address.endswith(("@example.net", "@example.org"))
    nothing_was_run(stage)


@pytest.mark.parametrize(
    "words",
    [
        [b"bob@example.net", b"-oQ/made", b"-X/made", b"-t"],
        [b"--", b"-X/made"],
        [b"-f", b"-X/made", b"bob@example.net"],
        [b"-F", b"-X/made", b"bob@example.net"],
        [b"-r", b"-t", b"bob@example.net"],
    ],
)
def test_behind_an_address_or_an_option_nothing_becomes_an_option(
    stage: Stage, words: list[bytes]
) -> None:
    with stage.connect(SENDMAIL) as talk:
        assert told(talk, frame(b"sendmail", *words, content=CONTENT)).accepted
    nothing_was_run(stage)


@pytest.mark.parametrize("door", SMTP)
def test_what_is_asked_of_an_address_is_no_command(stage: Stage, door: str) -> None:
    """VRFY and EXPN are old ways to hear who is there, and HELO one to be logged."""
    with stage.connect(door) as talk:
        talk.say(HELLO + b"VRFY |id\r\nEXPN root\r\nHELO $(touch made)\r\n")

        assert [line[:3] for line in talk.replies(5)][2:] == ["252", "502", "501"]
    nothing_was_run(stage)


def check_refusal(door: str, answer: Answer) -> None:
    codes = ("65", "64") if door == SENDMAIL else ("500", "501", "553", "555", "503")
    assert answer.words.startswith(codes), answer.words
    assert len(answer.words) < 1000


def nothing_was_run(stage: Stage) -> None:
    for folder in (stage.daemon.folder, Path.cwd(), Path("/")):
        assert not (folder / "made").exists()
