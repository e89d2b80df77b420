# SPDX-License-Identifier: Apache-2.0
"""A report, read by somebody else: each field of RFC 3464 and RFC 6522."""

from datetime import timedelta
from typing import Any

import pytest

from maildropd.bounce.case import Action
from maildropd.bounce.original import excerpt
from maildropd.mail.reply import Reply
from maildropd.relay.form.seven_bit import converted, plan
from tests.unit.bounce.cases import NOON, REFUSED, case, fate, made, mail, octets
from tests.unit.bounce.reading import read

WHEN = "Fri, 02 Jan 2026 12:00:00 +0000"
EVIL = "x\r\nBcc: eve@example.net\n\nhello\r\n.\r\n\x00\u2028"


def test_a_report_has_the_three_parts_of_rfc_6522() -> None:
    found = made()

    assert found.head.get_param("report-type") == "delivery-status"
    assert found.kinds == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    assert found.encodings == ["7bit", "7bit", "7bit"]
    assert found.head["Content-Transfer-Encoding"] is None


def test_its_header_says_who_wrote_about_what_and_that_nobody_should_answer() -> None:
    """RFC 3834: auto-replied, and to the return address."""
    found = made().head

    assert found["From"] == "Mail Delivery System <MAILER-DAEMON@mail.example.org>"
    assert found["To"] == "<ann@example.org>"
    assert found["Subject"] == "Not delivered: your mail to bob@example.net"
    assert found["Date"] == WHEN
    assert found["Message-ID"] == "<0123456789AC.report@mail.example.org>"
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["In-Reply-To"] == found["References"] == "<1@example.org>"
    assert found["MIME-Version"] == "1.0"


def test_programs_are_told_about_the_message() -> None:
    """ENVID comes back as the sender said it, decoded (RFC 3464 2.2.1)."""
    found = made(case(mail=mail(envid="QQ314+2B1+3D7")))

    assert found.message == {
        "Reporting-MTA": "dns; mail.example.org",
        "Original-Envelope-Id": "QQ314+1=7",
        "Arrival-Date": WHEN,
        "X-Maildrop-Queue-ID": "0123456789AB",
        "X-Maildrop-Sender": "rfc822; ann@example.org",
    }


def test_an_envid_of_blanks_is_none() -> None:
    """It is valid xtext, and a field without a value would end no reader's day well."""
    assert "Original-Envelope-Id" not in made(case(mail=mail(envid="+20"))).message


def test_programs_are_told_about_each_recipient() -> None:
    """The remote server's words in the bounce, and all of RFC 3464's form."""
    found = made(
        case(fate(orcpt="rfc822;Bob+2Bx@example.com"), fate("carl@example.net"))
    )

    assert found.recipients[0] == {
        "Original-Recipient": "rfc822; Bob+x@example.com",
        "Final-Recipient": "rfc822; bob@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.example.net",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user (in reply to RCPT)",
        "Last-Attempt-Date": WHEN,
    }
    assert [one["Final-Recipient"] for one in found.recipients] == [
        "rfc822; bob@example.net",
        "rfc822; carl@example.net",
    ]


def test_what_was_too_old_says_so_with_the_last_reply() -> None:
    reply = Reply(451, "4.7.1", "greylisted")
    found = made(case(fate(reply=reply, expired=True)))

    assert found.recipients[0]["Status"] == "4.4.7"
    assert found.recipients[0]["Action"] == "failed"
    assert found.recipients[0]["Diagnostic-Code"] == "smtp; 451 4.7.1 greylisted"
    assert "too old" in found.text


def test_a_delay_says_until_when_it_will_be_tried() -> None:
    later = NOON + timedelta(days=5)
    found = made(case(action=Action.DELAYED, retry_until=later))

    assert found.recipients[0]["Action"] == "delayed"
    assert found.recipients[0]["Will-Retry-Until"] == "Wed, 07 Jan 2026 12:00:00 +0000"
    assert "nothing you need do" in found.text
    assert found.head["Subject"].startswith("Not delivered yet")


@pytest.mark.parametrize("action", [Action.RELAYED, Action.DELIVERED])
def test_a_success_is_reported_as_what_it_was(action: Action) -> None:
    reply = Reply(250, "2.0.0", "ok")
    found = made(case(fate(reply=reply), action=action))

    assert found.recipients[0]["Action"] == action
    assert found.recipients[0]["Status"] == "2.0.0"
    assert found.head["Subject"].split(":")[0] in ("Passed on", "Delivered")


def test_people_read_who_why_in_the_servers_words_and_what_to_do() -> None:
    text = made().text

    assert "<bob@example.net>" in text
    assert "mx.example.net said: 550 5.1.1 no such user" in " ".join(text.split())
    assert "misspelt" in text
    assert "will not be tried again" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 76


def test_what_no_server_said_is_not_called_smtp() -> None:
    """A command, a file, a Maildir: there is no remote host to name."""
    found = made(case(fate(relay="maildir:/srv/mail"))).recipients[0]

    assert "Remote-MTA" not in found
    assert found["Diagnostic-Code"].startswith("x-maildrop; 550")


@pytest.mark.parametrize(
    ("relay", "named"),
    [("192.0.2.1:25", "192.0.2.1"), ("2001:db8::1:25", "2001:db8::1")],
)
def test_a_server_without_a_name_is_named_by_its_address(
    relay: str, named: str
) -> None:
    assert (
        made(case(fate(relay=relay))).recipients[0]["Remote-MTA"] == f"dns; [{named}]"
    )


def test_an_address_beyond_ascii_makes_the_report_one_of_rfc_6533() -> None:
    found = made(
        case(
            fate("j\u00f6rg@example.net", orcpt="utf-8;j\\x{F6}rg@example.net"),
            mail=mail(reverse_path="an\u00e4@example.org"),
        ),
        to="an\u00e4@example.org",
    )

    assert found.kinds[1] == "message/global-delivery-status"
    assert found.head.get_param("report-type") == "global-delivery-status"
    assert found.recipients[0]["Final-Recipient"] == "utf-8; j\u00f6rg@example.net"
    assert found.recipients[0]["Original-Recipient"] == "utf-8; j\u00f6rg@example.net"
    assert found.message["X-Maildrop-Sender"] == "utf-8; an\u00e4@example.org"
    assert "j\u00f6rg" in found.text
    assert found.encodings == ["quoted-printable", "8bit", "7bit"]
    assert found.head["Content-Transfer-Encoding"] == "8bit"


def test_a_sender_in_ascii_has_a_report_that_any_server_can_carry() -> None:
    """A report that no server may convert is one that some senders never get."""
    fates = fate("j\u00f6rg@example.net", orcpt="utf-8;j\\x{F6}rg@example.net")
    part = excerpt(["Subject: J\u00f6rg\n\n".encode()])
    made_of = octets(case(fates), part)

    found = read(made_of)

    assert found.kinds[1] == "message/delivery-status"
    assert found.recipients[0]["Final-Recipient"] == "utf-8; j\\x{F6}rg@example.net"
    assert found.recipients[0]["Original-Recipient"] == "utf-8; j\\x{F6}rg@example.net"
    assert found.kinds[2] == "text/rfc822-headers"
    blocks = [made_of.replace(b"\n", b"\r\n")]
    agreed = plan(lambda: iter(blocks), seven_bit=True)
    assert agreed
    assert b"".join(converted(lambda: iter(blocks), agreed)).isascii()


def test_a_servers_umlauts_do_not_make_it_a_report_that_few_can_read() -> None:
    reply = Reply(550, "5.1.1", "unbekannt: J\u00f6rg")
    found = made(case(fate(reply=reply)))

    assert found.kinds[1] == "message/delivery-status"
    assert found.recipients[0]["Diagnostic-Code"].endswith("unbekannt: J\\x{F6}rg")
    assert "J\u00f6rg" in found.text


@pytest.mark.parametrize(
    "where", ["path", "orcpt", "text", "relay", "id", "envid", "to"]
)
def test_no_line_end_in_anything_makes_a_field(where: str) -> None:
    """What strangers say is quoted in the report; it must stay a quotation."""
    said: dict[str, dict[str, Any]] = {
        "path": {"forward_path": EVIL},
        "orcpt": {"orcpt": f"rfc822;{EVIL}+0D+0ABcc:eve"},
        "text": {"reply": Reply(550, "5.1.1", EVIL)},
        "relay": {"relay": f"{EVIL}:25"},
    }
    about: dict[str, dict[str, Any]] = {
        "id": {"message_id": f"<{EVIL}>"},
        "envid": {"envid": f"{EVIL}+0A+0D"},
    }
    one, whole = fate(**said.get(where, {})), mail(**about.get(where, {}))
    plain, what = made(), case(one, mail=whole)
    to = f"{EVIL}@example.org" if where == "to" else "ann@example.org"

    found = made(what, to=to)

    fewer = {"In-Reply-To", "References"} if where == "id" else set()
    more = {"Content-Transfer-Encoding"} if found.encodings[1] == "8bit" else set()
    assert set(found.head.keys()) == (set(plain.head.keys()) - fewer) | more
    assert len(found.recipients) == 1
    assert "Bcc" not in {*found.message, *found.recipients[0]}
    assert b"\0" not in octets(what, to=to)
    assert b"\r" not in octets(what, to=to)


def test_a_report_on_ten_thousand_names_all_and_shows_some() -> None:
    fates = [fate(f"r{n}@example.net") for n in range(10_000)]

    found = made(case(*fates))

    assert len(found.recipients) == 10_000
    assert len(found.text) < 20_000
    assert "9950 more" in found.text


def test_a_report_can_be_made_of_what_can_be_read_no_more() -> None:
    found = read(octets())

    assert len(found.kinds) == 2
    assert "cannot be shown" in found.text


def test_no_line_is_longer_than_mail_can_carry() -> None:
    long = "\U0001f600" * 500
    made_of = case(
        fate("x" * 300 + "@example.net", reply=Reply(550, "5.0.0", long), orcpt=long),
        fate(reply=REFUSED, relay="h" * 900 + ":25"),
        mail=mail(envid="+2B" * 400, message_id=None),
    )

    assert max(map(len, octets(made_of).split(b"\n"))) <= 998
