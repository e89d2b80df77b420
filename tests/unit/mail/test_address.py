# SPDX-License-Identifier: Apache-2.0
"""Address lists: every address is found, or the list is refused."""

import tracemalloc

import pytest

from maildropd.mail import lexer
from maildropd.mail.address import addresses, parse_list, parse_reverse_path, unique
from maildropd.mail.errors import BadAddress


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a@example.net", ["a@example.net"]),
        ("root", ["root"]),
        ("", []),
        (" \t\r\n", []),
        ("a@x.example,b@x.example", ["a@x.example", "b@x.example"]),
        ("a@x; b@x", ["a@x", "b@x"]),
        ("a@x,,b@x", ["a@x", "b@x"]),
        ("a@x,", ["a@x"]),
        ("a@x,\r\n b@x,\n\tc@x", ["a@x", "b@x", "c@x"]),
        ("a@x\r", ["a@x"]),
        ("John Doe <j@x>", ["j@x"]),
        ("John Q. Doe <j@x>, b@x", ["j@x", "b@x"]),
        ('"Doe, John" <j@x>', ["j@x"]),
        ('"say \\"hi\\", you" <j@x>', ["j@x"]),
        ("=?utf-8?Q?J=C3=B6rg?= <j@x>", ["j@x"]),
        ("J\u00f6rg <j@x>", ["j@x"]),
        ("J\udcf6rg <j@x>", ["j@x"]),
        ("[the list] Doe <j@x>", ["j@x"]),
        ("j@x (John, the one; at work)", ["j@x"]),
        ("a@x (nested (c\\)) c)", ["a@x"]),
        ("a(c)@x", ["a@x"]),
        ("a @ x", ["a@x"]),
        ("a . b @ x . example", ["a.b@x.example"]),
        ("<a@x>", ["a@x"]),
        ("a@x>", ["a@x"]),
        ("a@x.", ["a@x"]),
        ("a..b@x", ["a..b@x"]),
        ("-oQ@x", ["-oQ@x"]),
        ("a@[192.0.2.7]", ["a@[192.0.2.7]"]),
        ("a@[IPv6:2001:db8::1]", ["a@[IPv6:2001:db8::1]"]),
        ("friends: a@x, B <b@x>; c@x", ["a@x", "b@x", "c@x"]),
        ("undisclosed-recipients:;", []),
        ("friends: a@x", ["a@x"]),
        ("<@one,@two:a@x>", ["a@x"]),
        ("@route:a@x", ["a@x"]),
        ("a@x <a@x>", ["a@x"]),
        ("'a@x' <a@x>", ["a@x"]),
        ('"a b"@x', ['"a b"@x']),
        ('"a\\"b"@x', ['"a\\"b"@x']),
        ('"ab"@x', ["ab@x"]),
        ('"a"."b"@x', ["a.b@x"]),
        ('"a..b"@x', ['"a..b"@x']),
        ('""@x', ['""@x']),
        ("j\u00f6rg@b\u00fccher.example", ["j\u00f6rg@b\u00fccher.example"]),
        ("\u4e2d\u00e0 <j@x>, \U0001f600@x", ["j@x", "\U0001f600@x"]),
        ("\u00e0@x", ["\u00e0@x"]),
    ],
)
def test_every_address_of_a_list_is_found_in_order(text: str, found: list[str]) -> None:
    assert parse_list(text) == tuple(found)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a b@x", "a b@x"),
        ("ok@x, John Doe, b@x", "John Doe"),
        ('"John Doe"', "John Doe"),
        ("a@@x", "a@@x"),
        ("a@", "a@"),
        ("@x", "@x"),
        ("a@x y", "a@x y"),
        ("a@x!y", "a@x!y"),
        ("a@x..y", "a@x..y"),
        ("<>", "<>"),
        ("a@x <b@x>", "without a comma"),
        ("<a@x> b@x", "<a@x> b@x"),
        ("<a@x> <b@x>", "single"),
        ("<a@x", "<a@x"),
        ("<@one,@two>", "@one,@two"),
        ("a@x:25", "colon"),
        ("a@x (no end", "comment"),
        ('"no end <a@x>', "a quote without end"),
        ("a " * 2000 + "<a@x>", "no end of words"),
        ("a@x)", r"a stray \)"),
        ("a@[no end", r"a stray \["),
        ("a@[1.2.3.4]x", "not an address"),
        ("a\\b@x", "not an address"),
        ("a@x\rRCPT TO:<b@x>", "line end"),
        ("a@x\nb@x", "line end"),
        ("a\0@x", "NUL"),
        ("j\udcf6rg@x", "unprintable"),
        ('"a\tb"@x', "unprintable"),
        ("a@[1<b@x>]", "not an address"),
        ("a\x7f@x", "not an address"),
        ("l" * 65 + "@x", "longer"),
        ("a@" + "x" * 253, "longer"),
        ("\u00f6" * 33 + "@x", "longer"),
    ],
)
def test_what_is_no_address_is_refused_by_name(text: str, named: str) -> None:
    """To skip it, or to guess, would drop a recipient in silence."""
    with pytest.raises(BadAddress, match=named):
        parse_list(text)


def test_the_longest_address_is_taken() -> None:
    """RFC 5321 4.5.3.1: a path has 256 octets with its brackets."""
    longest = "l" * 64 + "@" + "d" * 189

    assert parse_list(longest) == (longest,)
    assert parse_list(f"<{longest}>") == (longest,)


@pytest.mark.parametrize("phrase", ["", "A ", "A B. C ", '"A, (B): <c>" ', '"A"'])
def test_the_short_way_finds_what_the_parser_finds(phrase: str) -> None:
    """A comment sends it the long way, and must change nothing."""
    assert parse_list(f"{phrase}<a.b@x.example>") == ("a.b@x.example",)
    assert parse_list(f"{phrase}<a.b@x.example>()") == ("a.b@x.example",)


def test_a_complaint_shows_long_or_odd_text_cut_and_escaped() -> None:
    with pytest.raises(BadAddress) as caught:
        parse_list("x\x1b " + "y" * 1000)

    assert len(str(caught.value)) < 120
    assert str(caught.value).isprintable()


def test_a_hundred_thousand_addresses_are_found() -> None:
    many = [f"user{n}@host.example" for n in range(100_000)]

    assert parse_list(", ".join(many)) == tuple(many)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        '"' + '\\"' * 100_000,
        "a@" + "x." * 100_000,
        "<a@" + "x." * 100_000 + ">",
        "a." * 100_000 + "@x",
        "a, " * 3 + "(" * 100_000,
        "g:" * 10_000 + "a b@x",
        '"' + "a" * 200_000 + '" <a@x>',
        "a" * 200_000,
    ],
)
def test_a_list_made_to_choke_us_is_refused_in_good_time(text: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadAddress):
            parse_list(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 5_000_000


def test_a_list_of_nobody_ends_in_good_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups without members name nobody whom a limit could count."""
    monkeypatch.setattr(lexer, "_STEPS_LIMIT", 1000)

    with pytest.raises(BadAddress, match="no end of words: 'g:;g:;"):
        parse_list("g:;" * 400)


def test_authors_without_end_are_refused() -> None:
    assert parse_reverse_path(b"a@x," * 1000) == "a@x"
    with pytest.raises(BadAddress, match="more than 1000 senders"):
        parse_reverse_path(b"a@x," * 1001)


def test_a_smiley_does_not_blow_up_a_long_list() -> None:
    """As text, each octet of the others would take four."""
    octets = b"a@x," * 200_000 + "\U0001f600@x".encode()
    tracemalloc.start()
    try:
        assert sum(1 for _ in addresses(octets)) == 200_001
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 2_000_000


def test_a_mixed_list_finds_the_odd_one_among_plain_ones() -> None:
    assert parse_list("a@x, b @ x, root") == ("a@x", "b@x", "root")


@pytest.mark.parametrize("text", ["", " ", "<>", " <> ", "undisclosed:;"])
def test_a_reverse_path_may_be_null(text: str) -> None:
    assert parse_reverse_path(text.encode()) is None


def test_of_several_authors_the_first_is_the_reverse_path() -> None:
    assert parse_reverse_path(b"A <a@x>, B <b@x>") == "a@x"


def test_a_recipient_named_twice_gets_one_copy() -> None:
    """Domains ignore case, local parts need not (RFC 5321 2.4)."""
    named = ["a@X.example", "b@x", "a@x.EXAMPLE", "A@x.example"]

    assert unique(named) == ("a@X.example", "b@x", "A@x.example")
