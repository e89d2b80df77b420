# SPDX-License-Identifier: Apache-2.0
"""Whatever a program hands over becomes a mail, or is told what is wrong with it."""

import pickle
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from typing import Any

import pytest

from maildropd import api

HEADER = "From: ann@example.org\nTo: bob@example.net\nSubject: hi\n"
PLAIN = HEADER + "\nhello\n"


def wire(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def made(**fields: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("hello\n")
    return message


@pytest.mark.parametrize(
    "message",
    [
        PLAIN,
        PLAIN.encode(),
        wire(PLAIN),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.removesuffix("\n"),
        f"From ann@example.org Sat Nov 28 10:00:00 2026\n{PLAIN}",
        message_from_bytes(PLAIN.encode()),
        message_from_bytes(PLAIN.encode(), policy=policy.default),
    ],
)
def test_a_message_in_any_form_is_the_same_submission(message: Any) -> None:
    found = api.prepare(message)

    assert found.content == wire(PLAIN)
    assert found.sender == "ann@example.org"
    assert found.recipients == ("bob@example.net",)
    assert found.size == len(found.content)


@pytest.mark.parametrize(
    ("fields", "sender", "recipients"),
    [
        ("From: a@x.example\nTo: b@x.example\n", "a@x.example", ["b@x.example"]),
        ("Sender: s@x.example\nFrom: a@x.example\nTo: b\n", "s@x.example", ["b"]),
        ("From: a@x.example, c@x.example\nTo: b\n", "a@x.example", ["b"]),
        ("Return-Path: <>\nFrom: a@x.example\nTo: b\n", None, ["b"]),
        (
            "From: A <a@x.example>\nTo: b@x.example; c@x.example,,\nCc: d\nBcc: e\n",
            "a@x.example",
            ["b@x.example", "c@x.example", "d", "e"],
        ),
        (
            "Resent-From: r@x.example\nResent-To: s@x.example\nFrom: a\nTo: b\n",
            "r@x.example",
            ["s@x.example"],
        ),
        (
            "From: a@x.example\nTo: g: b@x.example, c;\n",
            "a@x.example",
            ["b@x.example", "c"],
        ),
        (
            "From: a@x.example\nTo: (he) b@x.example (x)\n",
            "a@x.example",
            ["b@x.example"],
        ),
        (
            "From: a@x.example\nTo: b@X.example, b@x.EXAMPLE\n",
            "a@x.example",
            ["b@X.example"],
        ),
    ],
)
def test_what_is_not_named_stands_in_the_header(
    fields: str, sender: str | None, recipients: list[str]
) -> None:
    found = api.prepare(f"{fields}\nhello\n")

    assert (found.sender, [*found.recipients]) == (sender, recipients)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("b@x.example", ["b@x.example"]),
        (
            "b@x.example;c@x.example,,d@x.example",
            ["b@x.example", "c@x.example", "d@x.example"],
        ),
        (
            ["b@x.example", "c@x.example, d@x.example"],
            ["b@x.example", "c@x.example", "d@x.example"],
        ),
        (("b@x.example", "b@x.example"), ["b@x.example"]),
        (
            '"Doe, J." <j@x.example>, "a b"@x.example',
            ["j@x.example", '"a b"@x.example'],
        ),
        ("-f@x.example", ["-f@x.example"]),
        ("j\u00f6rg@x.example", ["j\u00f6rg@x.example"]),
        ("a..b@x.example", ['"a..b"@x.example']),
        (".a@x.example", ['".a"@x.example']),
        ("root", ["root"]),
    ],
)
def test_a_list_is_read_as_people_write_it_and_loses_nobody(
    given: Any, meant: list[str]
) -> None:
    assert [*api.prepare(PLAIN, recipients=given).recipients] == meant


def test_named_ones_count_and_the_header_stays() -> None:
    found = api.prepare(PLAIN, "<>", ["c@example.net"])

    assert found.sender is None
    assert found.recipients == ("c@example.net",)
    assert found.content == wire(PLAIN)


def test_nobody_sees_whom_bcc_names() -> None:
    secret = "Bcc: s@example.net\nBcc:\n t@example.net\nReturn-Path: <r@example.org>\n"
    found = api.prepare(secret + PLAIN)

    assert found.content == wire(PLAIN)
    assert found.recipients == ("bob@example.net", "s@example.net", "t@example.net")


def test_the_callers_message_stays_as_it_is() -> None:
    message = made(From="a@x.example", To="b@x.example", Bcc="s@x.example")

    found = api.prepare(message)

    assert found.recipients == ("b@x.example", "s@x.example")
    assert b"Bcc" not in found.content
    assert message["Bcc"] == "s@x.example"


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("", b""),
        ("\n.\n..\nFrom x\n", b"\r\n.\r\n..\r\nFrom x\r\n"),
        ("\n" + "x" * 5000 + "\n", b"\r\n" + b"x" * 5000 + b"\r\n"),
        (
            "\nc\u00e9dille \u2028 \U0001f600\n",
            "\r\nc\u00e9dille \u2028 \U0001f600\r\n".encode(),
        ),
        ("\n\0\x01\x0b\x0c\n", b"\r\n\0\x01\x0b\x0c\r\n"),
        ("\na\rb\n", b"\r\na\r\nb\r\n"),
        ("\na\udcffb\n", b"\r\na\xffb\r\n"),
    ],
)
def test_a_body_is_sent_as_it_is(body: str, meant: bytes) -> None:
    assert api.prepare(HEADER + body).content == wire(HEADER) + meant


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_an_encoded_message_stays_encoded(encoding: str) -> None:
    message = EmailMessage()
    message["From"], message["To"] = "a@x.example", "b@x.example"
    message.set_content("d\u00e9j\u00e0 vu\n" * 30, cte=encoding)

    found = api.prepare(message_from_bytes(bytes(message), policy=policy.default))

    assert found.content == bytes(message).replace(b"\n", b"\r\n")


def test_an_address_beyond_ascii_stays_an_address() -> None:
    found = api.prepare(made(From="a@x.example", To="J\u00f6rg <j\u00f6rg@x.example>"))

    assert found.recipients == ("j\u00f6rg@x.example",)
    assert "<j\u00f6rg@x.example>".encode() in found.content


def test_a_name_beyond_ascii_is_encoded_and_the_address_is_not() -> None:
    found = api.prepare(made(From="a@x.example", To="J\u00f6rg <j@x.example>"))

    assert found.recipients == ("j@x.example",)
    assert found.content.isascii()


def test_25_megabytes_are_a_mail() -> None:
    body = b"x" * 78 + b"\n"
    found = api.prepare(PLAIN.encode() + body * (25 * 1024 * 1024 // 80))

    assert found.size == len(wire(PLAIN)) + 80 * (25 * 1024 * 1024 // 80)


@pytest.mark.parametrize(
    ("message", "sender", "recipients", "said"),
    [
        ("", None, None, "message: there is none"),
        (b"\r\n \r\n", "a@x.example", "b@x.example", "message: there is none"),
        (None, None, None, "message: it is a NoneType"),
        (7, None, None, "message: it is a int"),
        ("\ud800", None, None, "message: "),
        ("To: b@x.example\n\nhello\n", None, None, "sender: there is none"),
        ("From: a@x.example\n\nhello\n", None, None, "recipients: there are none"),
        ("From: a@x.example\nTo: g:;\n\nx\n", None, None, "recipients: there are none"),
        (PLAIN, None, [], "recipients: there are none"),
        (PLAIN, None, "", "recipients: there are none"),
        (PLAIN, None, ",; ,", "recipients: there are none"),
        (PLAIN, None, "a b@x.example", "recipients: not an address: 'a b@x.example'"),
        (PLAIN, None, ["b@x.example", "@"], "recipients: not an address"),
        (PLAIN, None, ["b@x.example", None], "recipients: an address is a NoneType"),
        (PLAIN, None, [b"b@x.example"], "recipients: an address is a bytes"),
        (PLAIN, None, "b@x.example\r\nDATA", "recipients: a line end within"),
        (PLAIN, None, "b@x.example\n c@x.example", "recipients: a line end within"),
        (PLAIN, "a@x.example\nBcc: c@x.example", None, "sender: a line end within"),
        (PLAIN, "a@x.example, b@x.example", None, "sender: 'a@x.example, b@x.example'"),
        (PLAIN, None, "b@x.example\0", "recipients: "),
        (PLAIN, None, "\ud800@x.example", "recipients: "),
        (PLAIN, None, "x" * 65 + "@x.example", "recipients: longer than"),
        ("From: a b@x\nTo: b\n\nx\n", None, None, "message: in the field from"),
        ("From: a\nTo: <b@x\n\nx\n", None, None, "message: in the field to"),
        (
            "X: " + "x" * 5_000_000 + "\n\nx\n",
            None,
            None,
            "message: the header is larger",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place_and_what_to_do(
    message: Any, sender: str | None, recipients: Any, said: str
) -> None:
    with pytest.raises(api.BadMessage) as caught:
        api.prepare(message, sender, recipients)

    assert str(caught.value).startswith(said)
    assert caught.value.advice
    assert isinstance(caught.value, ValueError | api.NotAccepted)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\r\n\t\r\n"])
def test_a_header_that_holds_a_line_end_is_refused(end: str) -> None:
    """The email package takes it in its older form; it would be a field of its own."""
    message = Message()
    message["From"], message["To"] = "a@x.example", "b@x.example"
    message["Subject"] = f"hi{end}Bcc: victim@x.example"

    with pytest.raises(api.BadMessage, match=r"'Subject'.*a line end"):
        api.prepare(message)


def test_a_fold_is_no_injection() -> None:
    message = Message()
    message["From"], message["To"] = "a@x.example", "b@x.example"
    message["Subject"] = "hi\r\n there"

    assert b"Subject: hi\r\n there\r\n" in api.prepare(message).content


@pytest.mark.parametrize(
    ("wishes", "fields"),
    [
        ({}, {"verp": "", "notify": "", "ret": "", "envid": ""}),
        ({"verp": True}, {"verp": "+="}),
        ({"verp": "-="}, {"verp": "-="}),
        ({"verp": False}, {"verp": ""}),
        ({"notify": "success,failure"}, {"notify": "SUCCESS,FAILURE"}),
        ({"notify": "never"}, {"notify": "NEVER"}),
        ({"ret": "hdrs"}, {"ret": "HDRS"}),
        ({"envid": "a b+\u00e9"}, {"envid": "a+20b+2B+C3+A9"}),
    ],
)
def test_wishes_are_said_in_the_form_of_the_wire(
    wishes: dict[str, Any], fields: dict[str, str]
) -> None:
    found = api.prepare(PLAIN, **wishes)

    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize(
    "wishes",
    [
        {"verp": "ab"},
        {"verp": 1},
        {"notify": "sometimes"},
        {"notify": "never,success"},
        {"notify": "success,success"},
        {"notify": ["success"]},
        {"ret": "all"},
        {"envid": "x" * 101},
        {"key": 7},
    ],
)
def test_a_wish_that_is_none_is_refused(wishes: dict[str, Any]) -> None:
    with pytest.raises(api.BadMessage) as caught:
        api.prepare(PLAIN, **wishes)

    assert str(caught.value).startswith(next(iter(wishes)))


def test_return_addresses_need_a_sender() -> None:
    with pytest.raises(api.BadMessage, match="verp: there is no sender"):
        api.prepare(PLAIN, "<>", verp=True)


def test_an_unknown_keyword_is_a_mistake_of_the_program() -> None:
    unknown: dict[str, Any] = {"notfy": "never"}
    with pytest.raises(TypeError, match="notfy"):
        api.prepare(PLAIN, **unknown)


def test_a_key_is_the_same_wherever_it_is_made() -> None:
    keys = [
        api.prepare(PLAIN, key=key).key for key in ("k\u00e9y", "k\u00e9y".encode())
    ]

    assert keys[0] == keys[1]
    assert len(keys[0]) == 32
    assert set(keys[0]) <= set("0123456789abcdef")
    assert api.prepare(PLAIN).key != api.prepare(PLAIN).key


def test_a_submission_never_changes_and_travels() -> None:
    found = api.prepare(PLAIN, key="k", verp=True)

    assert pickle.loads(pickle.dumps(found)) == found
    assert hash(found) == hash(api.prepare(PLAIN, key="k", verp=True))
    assert found != api.prepare(PLAIN, key="l", verp=True)
    with pytest.raises(AttributeError, match="cannot be changed"):
        found.key = ""
    with pytest.raises(AttributeError, match="cannot be changed"):
        del found.key
    assert "ann@example.org" in repr(found)


def test_errors_travel_and_say_the_same() -> None:
    for error in (
        api.BadMessage("where", "what", "advice"),
        api.NotAccepted("no", 550, "5.1.1", ("a@x.example",)),
        api.Unavailable("why"),
    ):
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy), vars(copy)) == (
            type(error),
            str(error),
            vars(error),
        )
