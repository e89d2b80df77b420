# SPDX-License-Identifier: Apache-2.0
"""What MAIL and RCPT may say, and what they may not."""

import pytest

from maildropd.edge.smtp.grammar import Named, Offer, mail, rcpt
from maildropd.mail.errors import BadAddress, PermanentError


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("FROM:<>", Offer(reverse_path=None)),
        ("from: <a@b.example>", Offer(reverse_path="a@b.example")),
        ("FROM:<root>", Offer(reverse_path="root")),
        ("FROM:<@x.example,@y.example:a@b.example>", Offer(reverse_path="a@b.example")),
        ('FROM:<"a b"@c.example>', Offer(reverse_path='"a b"@c.example')),
        ('FROM:<"bob"@c.example>', Offer(reverse_path="bob@c.example")),
        ('FROM:<"a>b"@c.example>', Offer(reverse_path='"a>b"@c.example')),
        ("FROM:<a@[192.0.2.1]>", Offer(reverse_path="a@[192.0.2.1]")),
        (
            "FROM:<a@b> SIZE=10 BODY=8bitmime RET=hdrs ENVID=aB+2B XKEY=k-1",
            Offer(reverse_path="a@b", size=10, ret="HDRS", envid="aB+2B", key="k-1"),
        ),
        ("FROM:<a@b> XVERP", Offer(reverse_path="a@b", verp="+=")),
        ("FROM:<a@b> XHOLD", Offer(reverse_path="a@b", hold=True)),
        ("FROM:<a@b> xverp=-= SIZE=1", Offer(reverse_path="a@b", verp="-=", size=1)),
        (
            f"FROM:<a@b> XSHA256={'0aB1' * 16}",
            Offer(reverse_path="a@b", sha256="0ab1" * 16),
        ),
        ("FROM:<a@b> XVERP===", Offer(reverse_path="a@b", verp="==")),
        (
            "FROM:<\u00e9@b.example> SMTPUTF8",
            Offer(reverse_path="\u00e9@b.example", utf8=True),
        ),
        ("FROM:<-f@b>", Offer(reverse_path="-f@b")),
        ("FROM:<|sh@b>", Offer(reverse_path="|sh@b")),
        ("FROM:</etc/x@b>", Offer(reverse_path="/etc/x@b")),
    ],
)
def test_mail_is_understood(argument: str, meant: Offer) -> None:
    assert mail(argument) == meant


@pytest.mark.parametrize(
    ("argument", "code", "status"),
    [
        ("", 501, "5.5.4"),
        ("FROM", 501, "5.5.4"),
        ("TO:<a@b>", 501, "5.5.4"),
        ("FROM:a@b", 501, "5.5.4"),
        ("FROM:<a@b", 501, "5.5.4"),
        ("FROM:<a@b>SIZE=1", 501, "5.5.4"),
        ("FROM:<a@b> SIZE=x", 501, "5.5.4"),
        ("FROM:<a@b> SIZE", 501, "5.5.4"),
        ("FROM:<a@b> SIZE=1 SIZE=2", 501, "5.5.4"),
        ("FROM:<a@b> BODY=x", 501, "5.5.4"),
        ("FROM:<a@b> RET=ALL", 501, "5.5.4"),
        ("FROM:<a@b> ENVID=a+2b", 501, "5.5.4"),
        ("FROM:<a@b> SMTPUTF8=1", 501, "5.5.4"),
        ("FROM:<a@b> XKEY=a/b", 501, "5.5.4"),
        ("FROM:<a@b> =x", 501, "5.5.4"),
        ("FROM:<> XVERP", 501, "5.5.4"),
        ("FROM:<a@b> XHOLD=yes", 501, "5.5.4"),
        ("FROM:<a@b> XVERP=+", 501, "5.5.4"),
        ("FROM:<a@b> XVERP=+=-", 501, "5.5.4"),
        ("FROM:<a@b> XVERP=ab", 501, "5.5.4"),
        ("FROM:<a@b> XVERP=", 501, "5.5.4"),
        ("FROM:<a@b> ENVID=a=b", 501, "5.5.4"),
        ("FROM:<a@b> XSHA256", 501, "5.5.4"),
        (f"FROM:<a@b> XSHA256={'0' * 63}", 501, "5.5.4"),
        (f"FROM:<a@b> XSHA256={'g' * 64}", 501, "5.5.4"),
        ("FROM:<a@b> SIZE==", 501, "5.5.4"),
        ("FROM:<a@b> AUTH=<>", 555, "5.5.4"),
        ("FROM:<a@b> FOO=1", 555, "5.5.4"),
        ("FROM:<a b@c>", 553, "5.1.3"),
        ("FROM:<a@b@c>", 553, "5.1.3"),
        ("FROM:<a..b@c>", 553, "5.1.3"),
        ("FROM:<a@-b>", 553, "5.1.3"),
        ("FROM:<@a:>", 553, "5.1.3"),
        ("FROM:<\u00e9@b.example>", 553, "5.6.7"),
        ("FROM:<a@b\u202e> SMTPUTF8", 553, "5.1.3"),
        ("FROM:<" + "a" * 65 + "@b>", 553, "5.1.3"),
        ("FROM:<a@" + "b" * 255 + ">", 553, "5.1.3"),
        ("FROM:<" + "@a," * 200 + "@a:b@c>", 553, "5.1.3"),
        ("FROM:<a\x01@b>", 553, "5.1.3"),
    ],
)
def test_what_mail_may_not_say_has_a_code(
    argument: str, code: int, status: str
) -> None:
    with pytest.raises(PermanentError) as refused:
        mail(argument)

    assert (refused.value.reply.code, refused.value.reply.status) == (code, status)


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("TO:<bob>", Named(forward_path="bob")),
        (
            "TO:<b@c> NOTIFY=success,Delay ORCPT=rfc822;Bob+2B@c",
            Named(forward_path="b@c", notify="SUCCESS,DELAY", orcpt="rfc822;Bob+2B@c"),
        ),
        ("TO:<b@c> NOTIFY=never", Named(forward_path="b@c", notify="NEVER")),
    ],
)
def test_rcpt_is_understood(argument: str, meant: Named) -> None:
    assert rcpt(argument, utf8=False) == meant


@pytest.mark.parametrize(
    "argument",
    [
        "TO:<>",
        "TO:<b@c> NOTIFY=NEVER,SUCCESS",
        "TO:<b@c> NOTIFY=SUCCESS,SUCCESS",
        "TO:<b@c> NOTIFY=",
        "TO:<b@c> ORCPT=bob",
        "TO:<b@c> ORCPT=rfc822;a b",
        "TO:<b@c> SIZE=1",
    ],
)
def test_what_rcpt_may_not_say_is_refused(argument: str) -> None:
    with pytest.raises(PermanentError):
        rcpt(argument, utf8=True)


def test_an_address_is_the_same_in_quotes_and_without() -> None:
    """Else a rule about bob would not hold for "bob"."""
    assert rcpt('TO:<"b"@c>', utf8=False) == rcpt("TO:<b@c>", utf8=False)


def test_a_quote_that_has_no_end_is_no_address() -> None:
    with pytest.raises((BadAddress, PermanentError)):
        rcpt('TO:<"b@c>', utf8=False)
