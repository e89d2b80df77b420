# SPDX-License-Identifier: Apache-2.0
"""How single values are read, and what is said about those that cannot be."""

from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config import limits, values
from maildropd.config.relay import Tls

FOLDER = Path("/etc/maildrop")


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("0", timedelta(0)),
        ("0s", timedelta(0)),
        ("5min", timedelta(minutes=5)),
        ("5 min", timedelta(minutes=5)),
        ("1h30min", timedelta(minutes=90)),
        ("1h 30min", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("2 days 12 hours", timedelta(hours=60)),
        ("500ms", timedelta(milliseconds=500)),
        ("90s", timedelta(seconds=90)),
        ("1w", timedelta(weeks=1)),
        ("3m", timedelta(minutes=3)),
    ],
)
def test_a_duration_is_read_as_systemd_does(text: str, means: timedelta) -> None:
    assert values.duration(text) == means


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("90", r"has no unit \(try 90s or 90min\)"),
        ("5x", r"is not a duration \(try 5min\)"),
        ("5M", r"is not a duration \(try 5min\)"),  # systemd's M is a month
        ("min", r"is not a duration \(try 5min\)"),
        ("-5min", r"is not a duration \(try 5min\)"),
        ("1.5h", r"is not a duration \(try 1min\)"),
        ("5min x", r"is not a duration \(try 5min\)"),
        ("1h30", r"is not a duration \(try 1min\)"),
        ("9999999999w", r"is too long \(at most 520w\)"),
        ("9" * 5000 + "s", r"is not a duration"),
        ("\N{ARABIC-INDIC DIGIT FIVE}", r"is not a duration \(try 5min\)"),
        ("\N{ARABIC-INDIC DIGIT FIVE}min", r"is not a duration \(try 5min\)"),
    ],
)
def test_what_is_no_duration_is_refused_with_a_proposal(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        values.duration(text)


@pytest.mark.parametrize(
    ("text", "octets"),
    [
        ("25M", 25 << 20),
        ("64K", 64 << 10),
        ("64k", 64 << 10),
        ("1G", 1 << 30),
        ("1 T", 1 << 40),
        ("512B", 512),
        ("0B", 0),
    ],
)
def test_a_size_is_read_in_steps_of_1024(text: str, octets: int) -> None:
    assert values.size(text) == octets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("25", r"has no unit \(try 25M or 25K\)"),
        ("25MB", r"is not a size \(try 25M\)"),
        ("-1M", r"is not a size \(try 25M\)"),
        ("1.5G", r"is not a size \(try 25M\)"),
        ("M", r"is not a size \(try 25M\)"),
        ("\N{ARABIC-INDIC DIGIT FIVE}M", r"is not a size \(try 25M\)"),
        ("1025T", r"is too large \(at most 1024T\)"),
        ("9" * 18 + "T", r"is too large \(at most 1024T\)"),
        ("9" * 5000 + "T", r"is not a size \(try 25M\)"),
    ],
)
def test_what_is_no_size_is_refused_with_a_proposal(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        values.size(text)


@pytest.mark.parametrize("text", ["yes", "true", "on", "1", "YES", "True"])
def test_these_mean_yes(text: str) -> None:
    assert values.boolean(text) is True


@pytest.mark.parametrize("text", ["no", "false", "off", "0", "No"])
def test_these_mean_no(text: str) -> None:
    assert values.boolean(text) is False


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(ValueError, match="is neither yes nor no"):
        values.boolean("maybe")


@pytest.mark.parametrize("text", ["-1", "1.5", "ten", "1e3", "9" * 5000, "0x10"])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a whole number"):
        values.integer(text)


def test_one_of_a_few_words_is_read_in_any_case() -> None:
    assert values.choice("Required", Tls) is Tls.REQUIRED


def test_another_word_is_refused_with_the_nearest_right_one() -> None:
    with pytest.raises(ValueError, match=r"implicit \(try required\)"):
        values.choice("requird", Tls)


@pytest.mark.parametrize("text", ["???", "mandatory"])
def test_a_word_that_resembles_none_gets_no_advice(text: str) -> None:
    """Least of all the advice to go on in clear."""
    with pytest.raises(ValueError, match=r"implicit$"):
        values.choice(text, Tls)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("/srv/drop", "/srv/drop"),
        ("/srv/drop/", "/srv/drop"),
        ("/srv/x/../drop", "/srv/drop"),
        ("drop", "/etc/maildrop/drop"),
        ("./drop", "/etc/maildrop/drop"),
        ("../drop", "/etc/drop"),
    ],
)
def test_a_path_begins_at_the_folder_of_the_configuration(
    text: str, means: str
) -> None:
    assert values.path(text, FOLDER) == Path(means)


def test_a_home_directory_means_nothing_to_a_daemon() -> None:
    with pytest.raises(ValueError, match="begins with ~"):
        values.path("~/drop", FOLDER)


def test_a_path_that_no_kernel_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 4095 octets"):
        values.path("d/" * 2100, FOLDER)


@pytest.mark.parametrize("text", ['"mx"', "'mx'", '"'])
def test_quotes_would_be_part_of_the_value(text: str) -> None:
    with pytest.raises(ValueError, match="needs no quotes"):
        values.words(text)


@pytest.mark.parametrize(
    "host",
    ["localhost", "mx.example.net", "mx.example.net.", "192.0.2.1", "::1", "mx_1.a"],
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert limits.host(host) is None


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("mx:25", "(try host = mx and port = 25)"),
        ("[2001:db8::1]:25", "(try host = [2001:db8::1] and port = 25)"),
        ("[::1]", "write it without brackets"),
        ("mx example", "is not a host name"),
        ("-mx.example", "is not a host name"),
        ("a..b", "is not a host name"),
        ("a" * 64, "is not a host name"),
        (".".join(["a" * 60] * 5), "is not a host name"),
        ("b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example", "xn--"),
        ("alice@example.net", "is not a host name"),
    ],
)
def test_what_is_no_host_is_refused(host: str, words: str) -> None:
    assert words in (limits.host(host) or "")


@pytest.mark.parametrize("name", ["drop", "site-1", "a.b", "X" * 64])
def test_a_name_is_one_that_a_file_may_have(name: str) -> None:
    assert limits.name(name) is None


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", "-x", "X" * 65, "a b", ""])
def test_what_could_be_a_path_is_no_name(name: str) -> None:
    assert limits.name(name)
