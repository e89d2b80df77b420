# SPDX-License-Identifier: Apache-2.0
"""Any message through a queue file of zope.sendmail or repoze.sendmail, and back."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildropd.edge.spool import letters, repoze_sendmail
from maildropd.foreign.maildirs import forms
from maildropd.mail.address import unique
from maildropd.mail.errors import MailError

EACH = 10_000
many_times = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=EACH,
)
LOCAL = st.text("abcxyz019.+_=-", min_size=1, max_size=20).filter(
    lambda text: "" not in text.split(".")
)
DOMAINS = st.sampled_from(["example.net", "x", "b\u00fccher.example", "[192.0.2.1]"])
ADDRESSES = st.builds("{}@{}".format, LOCAL, DOMAINS)
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=30
).map(lambda name: name.replace("\\", "").replace('"', ""))
SHOWN = st.builds('"{}" <{}>'.format, NAMES, ADDRESSES) | ADDRESSES
ENDS = st.sampled_from([b"\n", b"\r\n"])
FIELD_NAMES = st.sampled_from([b"Subject", b"To", b"X-Zope", b"Received", b"Bcc"])
VALUES = st.binary(max_size=60).map(lambda value: value.translate(None, b"\r\n"))
SENDERS = ADDRESSES | st.just("")


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Draw a header, folded here and there, and any octets after it."""
    end = draw(ENDS)
    header = [
        name + b": " + (end + b" ").join(draw(st.lists(VALUES, min_size=1, max_size=3)))
        for name in draw(st.lists(FIELD_NAMES, min_size=1, max_size=5))
    ]
    head = end.join(header) + end
    return head if draw(st.integers(0, 9)) == 9 else head + end + draw(st.binary())


def back(octets: bytes, sender: str, shown: list[str], message: bytes) -> None:
    found = letters.read(octets, 100)

    wanted = unique(each.rpartition("<")[2].rstrip(">") for each in shown)
    assert b"".join(found.content) == message
    assert (found.reverse_path or "") == sender
    assert found.recipients == wanted


@many_times
@given(SENDERS, st.lists(SHOWN, min_size=1, max_size=5), messages())
def test_any_message_comes_back_from_a_file_of_either_form(
    sender: str, shown: list[str], message: bytes
) -> None:
    back(forms.zope(sender, shown, message), sender, shown, message)
    back(forms.repoze(sender, shown, message), sender, shown, message)


PARTS = st.sampled_from(
    [
        *(b"X-Zope-From: a@x\n", b"X-Zope-To: b@x, c@x\n", b"X-Zope-To:"),
        *(b"X-Actually-From: =?utf-8?q?a=40x?=\n", b"X-Actually-To: b@x\n"),
        *(b"x-actually-to:\t=?utf-8?b?YkB4?=\r\n =?utf-8?q?=2Ec?=\n", b"=?x?q?a?="),
        *(b"Subject: t\n", b"\n", b"\r\n", b"\0", b"\r", b" ", b"\xff\xc3\xbc"),
    ]
)


@settings(many_times, max_examples=2000)
@given(st.lists(PARTS | st.binary(max_size=8), max_size=12).map(b"".join))
def test_any_octets_are_a_mail_to_somebody_or_no_mail(octets: bytes) -> None:
    try:
        found = letters.read(octets, 100)
    except MailError:
        return

    assert found.recipients
    for address in (*found.recipients, found.reverse_path or "-"):
        assert address.isprintable()
    content = b"".join(found.content)
    assert len(content) <= len(octets)
    assert octets.startswith(b"X-Zope-") or not repoze_sendmail.is_form(content)
