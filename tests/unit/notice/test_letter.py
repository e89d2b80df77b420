# SPDX-License-Identifier: Apache-2.0
"""Mails that say all, and in which nothing can pretend to be something else."""

import pytest

from maildropd.notice import letter
from maildropd.notice.letter import Evidence
from maildropd.notice.tally import Tally
from maildropd.notice.witness import Log
from tests.unit.notice.stage import HOUR, NOON, RUN, SECOND, failed, read

LONG = "x" * 247 + ".service"
ESCAPED = r"backup@srv-b\xc3\xbcro\x20(old).service".replace("(", r"\x28").replace(
    ")", r"\x29"
)
SEEN = Evidence(state="active: no\n", log=Log(text="one\ntwo\n"), restarts=5)


def tally(unit: str, count: int = 1) -> Tally:
    record = Tally(
        opened=NOON,
        closes=NOON + HOUR,
        window=HOUR,
        latest=failed(unit),
        first=NOON,
    )
    for n in range(count):
        record = record.plus(failed(unit, NOON + n * SECOND, status=str(n % 2 + 1)))
    return record


def test_the_first_mail_says_what_failed_and_what_it_logged() -> None:
    mail = read(letter.first(failed("web.service"), SEEN, "web1", HOUR))

    assert mail["To"] == "root"
    assert mail["From"] == "systemd on web1 <root>"
    assert mail["Subject"] == "[web1] web.service failed: exit-code, status=1"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == NOON
    assert mail.get_content_type() == "text/plain"
    text = mail.get_content()
    assert "after it was restarted 5 times" in text
    assert "within 1h come in one digest" in text
    assert "active: no" in text
    assert "\none\ntwo\n" in text
    assert f"journalctl _SYSTEMD_INVOCATION_ID={RUN} + _PID=1" in text


@pytest.mark.parametrize("unit", [LONG, ESCAPED, "-.mount", r"a@\x2d\x2dhelp.service"])
def test_the_name_of_any_unit_comes_through(unit: str) -> None:
    raw = letter.first(failed(unit), SEEN, "web1", HOUR)

    assert max(map(len, raw.splitlines())) <= 998
    assert raw.isascii()
    assert read(raw)["Subject"] == f"[web1] {unit} failed: exit-code, status=1"
    assert unit in read(raw).get_content()


def test_a_command_that_is_shown_can_be_pasted() -> None:
    text = read(letter.first(failed(ESCAPED), SEEN, "web1", HOUR)).get_content()

    assert f"systemctl status -- '{ESCAPED}'" in text
    assert f"journalctl --unit='{ESCAPED}'" in text


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        ("\x1b]0;own\x07", r"\x1b]0;own\x07"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("a\rb", r"a\rb"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}x", r"\u202ex"),
        ("\x85\N{LINE SEPARATOR}", r"\x85\u2028"),
        ("\udcff", r"\udcff"),
        ("tab\tgr\N{LATIN SMALL LETTER U WITH DIAERESIS}n", None),
        ("From here\n.\nBcc: x@example.net", None),
        ("x" * 60000, None),
    ],
)
def test_what_a_screen_would_act_upon_is_escaped(
    logged: str, shown: str | None
) -> None:
    seen = Evidence(state="", log=Log(text=f"{logged}\n"))

    raw = letter.first(failed(), seen, "web1", HOUR)

    mail = read(raw)
    assert (logged if shown is None else shown) in mail.get_content()
    assert mail["Bcc"] is None
    assert max(map(len, raw.split(b"\n"))) <= 998
    assert raw.isascii()


def test_a_name_of_the_host_becomes_no_header() -> None:
    mail = read(letter.first(failed(), SEEN, "w\nBcc: x\xfc", HOUR))

    assert mail["Bcc"] is None
    assert mail["Subject"].startswith(r"[w\nBcc: x\xfc] a.service failed")


def test_what_is_missing_is_said() -> None:
    cut = Evidence(state="", log=Log(text="last", cut=True))
    nothing = Evidence(state="", log=Log(text="\n"))
    never = Evidence(state="")

    def text(seen: Evidence) -> str:
        return str(read(letter.first(failed(), seen, "web1", HOUR)).get_content())

    assert "the last 200 entries, and 64 KiB, at most" in text(cut)
    assert "[it logged nothing]" in text(nothing)
    assert "before it could log anything" in text(never)
    assert "restarted" not in text(never)


def test_a_digest_says_how_often_since_when_and_how() -> None:
    mail = read(letter.digest(tally("web.service", 3), SEEN, "web1", NOON + HOUR))

    assert mail["Subject"] == "[web1] web.service failed 3 times: exit-code, status=1"
    text = mail.get_content()
    assert "2 times: exit-code, status=1\nonce: exit-code, status=2" in text
    first, last = (
        line for line in text.splitlines() if line[:6].strip(" :") in ("first", "last")
    )
    assert first[-13:] < last[-13:]
    assert "\none\ntwo\n" in text


def test_one_mail_for_many_units_names_them_up_to_a_bound() -> None:
    tallies = [tally(f"u{n}.service") for n in range(950)]

    raw = letter.together(tallies, 7, "web1", NOON)

    mail = read(raw)
    assert mail["Subject"] == "[web1] 950 units failed 957 times"
    text = mail.get_content()
    assert text.count(".service: exit-code") == 500
    assert "... and 450 units more" in text
    assert "... and 7 times of units beyond those on record" in text
    assert len(raw) < 1 << 17
