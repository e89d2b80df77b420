# SPDX-License-Identifier: Apache-2.0
"""Lists of addresses that Zope's users write: whoever is on one stays on it."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildropd.integrations.zope.addresses import joined, mailboxes, unfolded
from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress

same_each_time = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=2000,
)

ADDRESSES = st.sampled_from(
    [
        *("a@x.org", "b@y.org", "root", '"c d"@x.org', "j\xfc@\xe4.org"),
        *("e@[127.0.0.1]", "f@[IPv6:2001:db8::1]"),
    ]
)
NAMES = st.sampled_from(
    ["", "J\xfc", '"Q, R"', '"a\\"b"', "A (c, d)", "\u0416\u0416", '"\xfc; x"', "Mr. X"]
)
COMMENTS = st.sampled_from(
    ["", " (c)", " (\xfc)", " (a, b)", " (a; b:)", " (\xfc <g@x.org>)", " (<) (\xfc)"]
)
BETWEEN = st.sampled_from([", ", ",", "; ", ",, ", ",\n ", " ,\r\n\t", ";"])


@st.composite
def lists(draw: st.DrawFn) -> str:
    """Draw addresses with names and comments between all kinds of separators."""
    text = ""
    for number in range(draw(st.integers(1, 5))):
        name, address = draw(NAMES), draw(ADDRESSES)
        text += draw(BETWEEN) if number else ""
        text += f"{name} <{address}>" if name else address
        text += draw(COMMENTS)
    return text


def groups() -> st.SearchStrategy[str]:
    """Draw groups, with names that are not ASCII, too."""
    words = st.sampled_from(["g", '"g, h"', "gr\xfc"])
    return st.builds("{}: {};".format, words, lists())


WRITTEN = st.one_of(lists(), groups(), st.builds("{}, {}".format, lists(), groups()))


@same_each_time
@given(WRITTEN)
def test_a_list_in_our_form_has_the_same_addresses_in_the_same_order(
    text: str,
) -> None:
    line = joined(unfolded(text))

    assert parse_list(line) == parse_list(unfolded(text))
    assert joined(line) == line


@same_each_time
@given(WRITTEN)
def test_a_name_is_ascii_in_our_form_and_no_address_is_encoded(text: str) -> None:
    line = joined(unfolded(text))

    for address in parse_list(unfolded(text)):
        line = line.replace(address, "", 1)
    assert line.isascii()


@same_each_time
@given(st.text(st.sampled_from('ab@x.,;:<>()[]"\\ \n\xfc=?'), max_size=30))
def test_any_text_has_a_form_and_no_address_is_made_up(text: str) -> None:
    """What is no list stays none; or it has the same addresses."""
    try:
        wanted = parse_list(unfolded(text))
    except BadAddress:
        joined(unfolded(text))
        return

    assert parse_list(joined(unfolded(text))) == wanted
    assert bool(mailboxes(unfolded(text))) >= bool(wanted)
