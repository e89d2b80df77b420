# SPDX-License-Identifier: Apache-2.0
"""Commands that are none, too long, too many, too early, or somebody else's."""

from collections.abc import Iterator

import pytest

from tests.faults.door_stage import SENDMAIL, SMTP, UNIX, Stage, opened
from tests.faults.door_talk import HELLO, Mail, envelope, frame, told

MB = 1024 * 1024
CONTENT = b"Subject: s\r\n\r\nA line.\r\n"
MAIL = envelope(Mail(content=CONTENT)) + b"DATA\r\n" + CONTENT + b".\r\n"
KEY = b"0123456789abcdef" * 2
SAID = b"XCLIENT ADDR=127.0.0.1 PORT=25 DESTADDR=127.0.0.1 DESTPORT=26\r\n"


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with opened() as stage, stage.unharmed():
        yield stage


@pytest.mark.parametrize("door", SMTP)
def test_what_follows_quit_is_not_heard(stage: Stage, door: str) -> None:
    with stage.nothing_taken(), stage.connect(door) as talk:
        talk.say(HELLO + b"QUIT\r\n" + MAIL)

        assert [line[:3] for line in talk.rest()] == ["220", "250", "221"]


@pytest.mark.parametrize("door", SMTP)
def test_starttls_is_refused_and_what_follows_it_is_no_secret(
    stage: Stage, door: str
) -> None:
    """There is no TLS here: nothing said before it can be taken for said within."""
    with stage.connect(door) as talk:
        talk.say(HELLO + b"STARTTLS\r\nEHLO again.test\r\nQUIT\r\n")
        said = talk.rest()

    assert [line[:3] for line in said] == ["220", "250", "502", "250", "221"]


@pytest.mark.parametrize("length", [4097, MB, 3 * MB])
@pytest.mark.parametrize("door", SMTP)
def test_a_line_of_a_megabyte_is_refused_and_the_next_is_heard(
    stage: Stage, door: str, length: int
) -> None:
    with stage.connect(door) as talk:
        talk.say(HELLO + b"NOOP " + b"x" * length + b"\r\n" + MAIL + b"QUIT\r\n")
        said = talk.rest()

    codes = [line[:3] for line in said]
    assert codes == ["220", "250", "500", "250", "250", "354", "250", "221"]


@pytest.mark.parametrize("door", SMTP)
def test_a_line_without_end_is_left(stage: Stage, door: str) -> None:
    with stage.connect(door) as talk:
        for _ in range(20):
            talk.say(b"x" * MB)

        assert [line[:3] for line in talk.rest()] == ["220"]


@pytest.mark.parametrize("line", [b"\0", b"NO\0OP", b"MAIL FROM:<a\0@b.example>"])
@pytest.mark.parametrize("door", SMTP)
def test_a_nul_is_part_of_no_command(stage: Stage, door: str, line: bytes) -> None:
    with stage.connect(door) as talk:
        talk.replies(1)
        assert talk.asked(HELLO).startswith("250 ")

        assert talk.asked(line + b"\r\n").startswith("500 ")
        assert talk.asked(b"NOOP\r\n").startswith("250 ")


@pytest.mark.parametrize(
    "line", [b"NONSENSE", b"\xff\xfe", b"RCPT TO:<a@b.example>", b"DATA x", b""]
)
@pytest.mark.parametrize("door", SMTP)
def test_ten_thousand_bad_commands_are_too_many(
    stage: Stage, door: str, line: bytes
) -> None:
    with stage.connect(door) as talk:
        talk.say((line + b"\r\n") * 10_000)
        said = talk.rest()

    assert said[-1].startswith("421 ")
    assert len(said) < 30
    assert all(each[:2] in ("22", "50", "42") for each in said)


@pytest.mark.parametrize("door", SMTP)
def test_ten_thousand_refusals_are_too_many_and_fill_no_log(
    stage: Stage, door: str
) -> None:
    before = stage.told("SubmissionRefused")
    with stage.connect(door) as talk:
        talk.say(HELLO + b"MAIL FROM:<a@b.example>\r\n" + b"RCPT TO:<@>\r\n" * 10_000)
        said = talk.rest()

    assert said[-1].startswith("421 ")
    assert len(said) < 1100
    stage.good(door)
    assert stage.daemon.count("SubmissionRefused") - before < 100


@pytest.mark.parametrize("door", SMTP)
def test_who_is_not_trusted_speaks_for_himself(stage: Stage, door: str) -> None:
    """XCLIENT would let him be anybody, with anybody's quota."""
    with stage.connect(door) as talk:
        talk.say(HELLO + SAID + b"QUIT\r\n")
        said = talk.rest()

    assert [line[:8] for line in said[2:]] == ["550 5.7.", "221 2.0."]
    if door == UNIX:
        stage.names_the_culprit("not for you")


def test_not_even_root_is_somebody_else_through_the_gateway(stage: Stage) -> None:
    """Who comes by TCP could be anybody."""
    with stage.connect("tcp", uid=0) as talk:
        talk.say(HELLO + SAID + b"QUIT\r\n")

        assert talk.rest()[2].startswith("550 5.7.1 ")


@pytest.mark.parametrize("door", SMTP)
def test_who_never_hears_is_not_spoken_to_for_ever(stage: Stage, door: str) -> None:
    """Replies that nobody takes would fill our memory."""
    with stage.connect(door) as talk:
        talk.hurry(b"HELP\r\n" * 10_000, most=50 * MB)
        stage.good(door)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\0",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"EHLO x\r\n" + MAIL,
        b"\xff" * 100_000,
        b"#!sendmail",
        b"#!sendmail\0" * 1000,
        b"#!sendmail\0" + KEY + b"\0" + b"1" * 1000,
        b"#!sendmail\0" + KEY + b"\0-1\0",
        b"#!sendmail\0" + KEY + b"\x001\0sendmail\0-1\nx0\n",
        b"#!sendmail\0" + KEY + b"\x001\0sendmail\x000x10\n",
        b"#!sendmail\0" + KEY + b"\x001\0sendmail\x0099999999999999999999\n",
        frame(b"sendmail", b"bob@example.net", content=CONTENT) + b"0\n",
        frame(b"sendmail", b"x" * 3 * MB),
        frame(*[b"a"] * 100_001),
    ],
)
def test_what_is_no_frame_is_refused_with_a_code(stage: Stage, octets: bytes) -> None:
    with stage.nothing_taken(), stage.connect(SENDMAIL) as talk:
        talk.say(octets)
        talk.stop()
        said = talk.all_of_it()

    is_cut = octets in (b"", b"#!sendmail") or octets.endswith(b"1" * 1000)
    assert said.startswith(b"65 sendmail: ") or (is_cut and not said)


def test_a_thousand_that_carry_nonsense_are_each_told(stage: Stage) -> None:
    for _ in range(1000):
        with stage.connect(SENDMAIL) as talk:
            assert told(talk, b"#!sendmai1\0").words.startswith("65 ")
    stage.names_the_culprit("no frame of sendmail")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([b"-Z", b"bob@example.net"], "64"),
        ([b"-f"], "64"),
        ([b"-bd"], "64"),
        ([b"-bz"], "64"),
        ([b"-N", b"sometimes", b"bob@example.net"], "64"),
        ([b"-V", b"a b", b"bob@example.net"], "64"),
        ([], "64"),
        ([b"-t"], "64"),
        ([b"-q"], "77"),
        ([b"x" * MB], "65"),
        ([b"\xff@example.net"], "65"),
    ],
)
def test_a_command_line_that_is_none_has_its_code(
    stage: Stage, words: list[bytes], code: str
) -> None:
    with stage.nothing_taken(), stage.connect(SENDMAIL) as talk:
        answer = told(talk, frame(b"sendmail", *words, content=CONTENT))

    assert answer.words.startswith(f"{code} ")
    assert len(answer.words) < 1000
