# SPDX-License-Identifier: Apache-2.0
"""Which addresses the words of a route mean."""

import time

import pytest

from maildropd.route.matcher import Matcher, Parts

BOB = "bob@example.net"


@pytest.mark.parametrize(
    ("words", "address", "fits"),
    [
        ("*", BOB, True),
        ("*", None, True),
        ("<>", None, True),
        ("<>", BOB, False),
        ("example.net", None, False),
        ("example.net", BOB, True),
        ("EXAMPLE.net.", "bob@Example.NET", True),
        ("example.net", "bob@mx.example.net", False),
        ("example.net", "bob@badexample.net", False),
        (".example.net", BOB, False),
        (".example.net", "bob@mx.example.net", True),
        (".example.net", "bob@a.b.example.net", True),
        (".example.net", "bob@badexample.net", False),
        ("bob@example.net", "BOB@example.net", True),
        ("bob@example.net", "bob+x@example.net", False),
        ("bob@", "Bob@example.org", True),
        ("bob@", "jacob@example.org", False),
        ("/^bob-.*@/", "bob-lists@example.net", True),
        ("/^bob-.*@/", BOB, False),
        ("/^BOB@/", BOB, True),
        ("b\xfccher.example", "bob@xn--bcher-kva.example", True),
        ("xn--bcher-kva.example", "bob@B\xdccher.example", True),
        ("[192.0.2.1]", "bob@[192.0.2.1]", True),
        ("example.org example.net", BOB, True),
        ("bob@", '"bob@home"@example.net', False),
    ],
)
def test_a_word_means_these_addresses(
    words: str, address: str | None, *, fits: bool
) -> None:
    assert Matcher(words.split()).fits(Parts(address or "")) is fits


def test_a_long_list_costs_no_more_than_a_short_one() -> None:
    """Hosts have lists of thousands of domains, and each recipient is asked for."""
    matcher = Matcher(f"d{number}.example.net" for number in range(50_000))

    began = time.process_time()
    for number in range(1000):
        assert matcher.fits(Parts(f"bob@d{number}.example.net"))

    assert time.process_time() - began < 1
