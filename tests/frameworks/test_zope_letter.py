# SPDX-License-Identifier: Apache-2.0
"""The header rules of a MailHost, and how it writes text."""

import re
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.mime.text import MIMEText
from typing import Any

import pytest
from Products.MailHost.MailHost import MailHostError

from maildropd.api import prepare
from tests.frameworks.zope_host import TEXT, Recording


@pytest.fixture
def host() -> Recording:
    return Recording()


def test_explicit_arguments_override_the_header(host: Recording) -> None:
    host.send(TEXT, "a@example.net", "b@example.org", "other")

    ((sender, recipients, _),) = host.sent
    assert (sender, recipients) == ("b@example.org", ["a@example.net"])
    assert host.message["To"] == "a@example.net"
    assert host.message["From"] == "b@example.org"
    assert host.message.get_all("Subject") == ["other"]


def test_without_them_to_cc_and_bcc_get_it_and_bcc_is_taken_out(
    host: Recording,
) -> None:
    fields = "To: a@x.org\nCc: b@x.org\nBcc: c@x.org\nBCC: d@x.org\n"

    host.send(f"From: f@x.org\n{fields}\nx")

    ((sender, recipients, content),) = host.sent
    assert sender == "f@x.org"
    assert recipients == ["a@x.org", "b@x.org", "c@x.org", "d@x.org"]
    assert b"bcc" not in content.lower()


def test_an_explicit_recipient_is_the_only_one(host: Recording) -> None:
    host.send("From: f@x.org\nTo: a@x.org\nCc: b@x.org\nBcc: c@x.org\n\nx", "z@x.org")

    ((_, recipients, content),) = host.sent
    assert recipients == ["z@x.org"]
    assert host.message["Cc"] == "b@x.org"
    assert b"c@x.org" not in content


@pytest.mark.parametrize(
    ("text", "mto"),
    [
        ("From: f@x.org\n\nx", None),
        ("From: f@x.org\nTo:\n\nx", None),
        ("From: f@x.org\nTo: undisclosed-recipients:;\n\nx", None),
        (TEXT, "undisclosed-recipients:;"),
        (TEXT, " "),
        (TEXT, [""]),
        (TEXT, ",, ;"),
    ],
)
def test_no_recipients_are_an_error(
    host: Recording, text: str, mto: str | list[str] | None
) -> None:
    with pytest.raises(MailHostError, match=r"^No message recipients designated$"):
        host.send(text, mto)


@pytest.mark.parametrize("mto", ["", None, [], ()])
def test_an_empty_argument_is_none(host: Recording, mto: Any) -> None:
    host.send(TEXT, mto)

    assert host.sent[0][1] == ["to@example.net"]


def test_no_sender_is_an_error(host: Recording) -> None:
    with pytest.raises(MailHostError, match=r"^Message missing SMTP Header 'From'$"):
        host.send("To: a@x.org\n\nx")


def test_what_is_missing_is_added_and_what_is_there_stays(host: Recording) -> None:
    host.send("From: f@x.org\nTo: a@x.org")
    host.send("From: f@x.org\nTo: a@x.org\nDate: Sat, 1 Jan 2000 00:00:00 +0000\n\n")

    first, second = (message_from_bytes(content) for *_, content in host.sent)
    assert first["Subject"] == "[No Subject]"
    assert re.fullmatch(r"\w{3}, \d\d? \w{3} \d{4} [\d:]{8} [+-]\d{4}", first["Date"])
    assert second["Date"] == "Sat, 1 Jan 2000 00:00:00 +0000"


def test_line_ends_are_those_of_smtp(host: Recording) -> None:
    host.send(TEXT.replace("A line.\n", "one\ntwo\r\nthree\r\n"))

    content = host.sent[0][2]
    assert content.endswith(b"\r\n\r\none\r\ntwo\r\nthree\r\n")
    assert content.count(b"\n") == content.count(b"\r\n")


@pytest.mark.parametrize(
    ("mto", "header"),
    [
        ("a@x.org; b@x.org", "a@x.org, b@x.org"),
        ("a@x.org,,b@x.org", "a@x.org, b@x.org"),
        (["a@x.org; b@x.org"], "a@x.org, b@x.org"),
        (("a@x.org", "b@x.org"), "a@x.org, b@x.org"),
        ("friends: a@x.org, b@x.org;", "friends: a@x.org, b@x.org;"),
        ("a@x.org (one, two), b@x.org", "a@x.org (one, two), b@x.org"),
        ('"A, B" <a@x.org>, b@x.org', '"A, B" <a@x.org>, b@x.org'),
        ("a@x.org,\r\n b@x.org", "a@x.org, b@x.org"),
    ],
)
@pytest.mark.parametrize("by", ["argument", "header"])
def test_nobody_on_a_list_is_passed_over(
    host: Recording, mto: Any, header: str, by: str
) -> None:
    """And every reader of the header finds the same in it."""
    if by == "argument":
        host.send(TEXT, mto)
    else:
        written = mto if isinstance(mto, str) else "; ".join(mto)
        host.send(TEXT.replace("to@example.net", written))

    ((sender, recipients, content),) = host.sent
    found = prepare(content, sender, recipients)
    assert found.recipients == ("a@x.org", "b@x.org")
    assert f"\r\nTo: {header}\r\n" in host.header


def test_names_are_encoded_and_addresses_are_not(host: Recording) -> None:
    fields = (
        'From: J\xf6rg <f@x.org>\nTo: "M\xfcller, B" <a@x.org>, b@x.org\n'
        "Cc: c@x.org (\xe4)\nReply-To: gr\xfcppe: d@x.org;\n"
    )

    host.send(f"{fields}Subject: \xfcber\n\nx")

    for address in ("<f@x.org>", "<a@x.org>, b@x.org", "c@x.org (=?", "d@x.org;"):
        assert address in host.header
    assert host.header.isascii()
    assert host.message["From"].addresses[0].display_name == "J\xf6rg"
    assert host.message["To"].addresses[0].display_name == "M\xfcller, B"
    assert host.message["Subject"] == "\xfcber"


@pytest.mark.parametrize("text", [str.encode, str])
def test_names_in_octets_are_encoded_as_well(host: Recording, text: Any) -> None:
    host.send(text("From: J\xf6rg <f@x.org>\nTo: b@x.org\n\nx"))

    assert host.message["From"].addresses[0].display_name == "J\xf6rg"
    assert "<f@x.org>" in host.header


def test_an_address_in_a_comment_is_none(host: Recording) -> None:
    host.send("To: J\xf6rg <a@x.org> (once <j\xf6rg@x.org>)\n\nx", mfrom="f@x.org")

    ((sender, recipients, content),) = host.sent
    assert prepare(content, sender, recipients).recipients == ("a@x.org",)
    (found,) = host.message["To"].addresses
    assert (found.display_name, found.addr_spec) == ("J\xf6rg", "a@x.org")
    assert host.header.isascii()


def test_an_address_that_is_not_ascii_stays_as_it_is(host: Recording) -> None:
    host.send(TEXT, "j\xfc@ex\xe4mple.net")

    assert host.sent[0][1] == ["j\xfc@ex\xe4mple.net"]
    assert "\r\nTo: j\xfc@ex\xe4mple.net\r\n" in host.header


@pytest.mark.parametrize("name", ["mto", "mfrom", "subject"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_an_argument_starts_no_other_field(
    host: Recording, name: str, end: str
) -> None:
    with pytest.raises(MailHostError, match=f"{name}: a line end within"):
        host.send(TEXT, **{name: f"a@x.org{end}Bcc: victim@x.org"})


def test_the_line_ends_of_unicode_are_blanks(host: Recording) -> None:
    host.send(TEXT, subject="one\x85two\u2028three")

    assert host.message["Subject"] == "one two three"


# How the text is written.


@pytest.mark.parametrize("encode", ["base64", "quoted-printable", "7bit", "8bit"])
@pytest.mark.parametrize("charset", [None, "utf-8", "iso-8859-1"])
def test_text_can_be_encoded(host: Recording, encode: str, charset: str | None) -> None:
    host.send(TEXT.replace("line", "l\xeene"), encode=encode, charset=charset)

    wanted = {"7bit": "8bit"}.get(encode, encode)  # as it says the truth
    assert host.message["Content-Transfer-Encoding"] == wanted
    assert host.message.get_content_charset() == (charset or "utf-8")
    assert host.text == "A l\xeene.\n"
    assert host.message["MIME-Version"] == "1.0"


def test_a_character_set_alone_encodes_as_a_mailhost_does(host: Recording) -> None:
    host.send(TEXT.replace("line", "l\xeene"), charset="utf-8")

    assert host.message["Content-Transfer-Encoding"] == "quoted-printable"
    assert host.text == "A l\xeene.\n"


def test_text_that_names_its_character_set_keeps_it(host: Recording) -> None:
    field = "Content-Type: text/plain; charset=iso-8859-1\n"
    host.send(field + TEXT.replace("line", "l\xeene"), charset="utf-8")

    assert host.message.get_content_charset() == "iso-8859-1"
    assert host.text == "A l\xeene.\n"


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("", "Gr\xfc\xdfe".encode()),
        ("", b"Gr\xfc\xdfe"),
        ("utf-7", b"1 + 1 = 2"),
        ("hz", b"~{VPND~}"),
        ("us-ascii", b"Gr\xfc\xdfe"),
        ("windows-1252", b"an octet that it lacks: \x81"),
        ("x-unknown", b"Gr\xfc\xdfe"),
    ],
)
def test_octets_are_taken_as_they_are(
    host: Recording, charset: str, body: bytes
) -> None:
    field = f"Content-Type: text/plain; charset={charset}\n" if charset else ""

    host.send((field + TEXT).encode().replace(b"A line.", body))

    assert host.sent[0][2].endswith(b"\r\n\r\n" + body + b"\r\n")


@pytest.mark.parametrize(
    ("named", "wished"),
    [
        ("; charset=utf-16", None),
        ("; charset=utf-7", None),
        ("; charset=cp037", None),
        ("; charset=iso-8859-8-i", None),
        ("", "utf-16"),
    ],
)
def test_an_attachment_in_base64_arrives_as_it_was(
    host: Recording, named: str, wished: str | None
) -> None:
    """Base64 is ASCII, whatever the character set of what it stands for."""
    fields = f"Content-Type: text/csv{named}\nContent-Transfer-Encoding: base64\n"

    host.send((fields + TEXT).replace("A line.", "++++MQ=="), charset=wished)

    assert host.sent[0][2].endswith(b"\r\n\r\n++++MQ==\r\n")


@pytest.mark.parametrize("encode", ["quoted-printable", "7bit", "8bit"])
def test_a_message_that_is_encoded_is_not_encoded_again(
    host: Recording, encode: str
) -> None:
    encoded = f"Content-Transfer-Encoding: base64\n{TEXT}"

    with pytest.raises(MailHostError, match=r"^Message already encoded$"):
        host.send(encoded.replace("A line.", "YWJj"), encode=encode)


def test_one_that_is_encoded_as_it_is_wanted_stays_as_it_is(host: Recording) -> None:
    encoded = f"Content-Transfer-Encoding: base64\n{TEXT}".replace("A line.", "YWJj")

    host.send(encoded, encode="base64")

    assert host.sent[0][2].endswith(b"\r\n\r\nYWJj\r\n")


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"encode": "rot13"}, "encode: 'rot13' is none of base64,"),
        ({"charset": "klingon"}, "there is no character set 'klingon'"),
        ({"charset": "iso-8859-1"}, "cannot be written in iso-8859-1"),
        ({"mto": [7]}, "mto: 7 is no text"),
        ({"mto": [b"\xff@x.org"], "charset": "ascii"}, "the text is not in ascii"),
        ({"msg_type": "html"}, "msg_type: 'html' is none"),
        ({"msg_type": "text/html\nBcc: a@x.org"}, "msg_type: "),
        ({"subject": "half a \ud83d"}, "text that cannot be written"),
    ],
)
def test_a_wish_of_no_use_is_an_error(
    host: Recording, wishes: dict[str, Any], said: str
) -> None:
    with pytest.raises(MailHostError, match=re.escape(said)):
        host.send(TEXT.replace("line", "\u0436"), **wishes)


def test_a_type_of_content_is_set_where_there_is_none(host: Recording) -> None:
    host.send(TEXT, msg_type="text/html")
    assert host.message.get_content_type() == "text/html"


def test_a_message_object_is_copied_and_keeps_its_parts(host: Recording) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "f@x.org", "\xc4 <a@x.org>"
    message["Bcc"] = "b@x.org"
    message.set_content("t\xfc\n")
    message.add_attachment(b"\0\xff", maintype="image", subtype="x", filename="f.x")
    before = bytes(message)

    host.send(message, encode="base64")

    assert bytes(message) == before
    assert host.sent[0][1][-1] == "b@x.org"
    text, attachment = host.message.iter_parts()
    assert text["Content-Transfer-Encoding"] == "base64"
    assert text.get_content() == "t\xfc\r\n"
    assert attachment.get_content() == b"\0\xff"


def test_an_old_message_object_is_taken_as_well(host: Recording) -> None:
    message: Message = MIMEText("t\xfc\n", _charset="utf-8")
    message["From"], message["To"] = "f@x.org", "a@x.org"

    host.send(message)

    assert host.text == "t\xfc\n"
    assert message["Subject"] is None


def test_an_attached_message_is_left_alone(host: Recording) -> None:
    inner = EmailMessage()
    inner.set_content("inner\n")
    outer = EmailMessage()
    outer["From"], outer["To"] = "f@x.org", "a@x.org"
    outer.set_content("outer\n")
    outer.add_attachment(inner)

    host.send(outer, encode="base64")

    assert b"\r\ninner\r\n" in host.sent[0][2]


def test_a_message_of_25_mb_passes(host: Recording) -> None:
    lines = ("x" * 74 + "\n") * (25 * 1024 * 1024 // 75)

    host.send(TEXT + lines, charset="us-ascii")

    assert host.sent[0][2].endswith(lines.replace("\n", "\r\n").encode())
