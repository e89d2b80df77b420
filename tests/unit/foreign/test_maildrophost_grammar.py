# SPDX-License-Identifier: Apache-2.0
"""The grammar of MaildropHost's configuration: what it takes, and what it says."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.grammar import LARGEST, Value, load, parse

HOUSE = Path(__file__).resolve().parents[3]
FIXTURES = HOUSE.parent / "shared" / "fixtures" / "maildrophost"


def _told() -> list[dict[str, Any]]:
    """Return what MaildropHost's own parser was seen to do, where that is here."""
    told: list[dict[str, Any]] = [
        {"source": "A=1 B=0x10\n", "result": {"ok": [["A", 1], ["B", 16]]}},
        {"source": "A=1 * 2\n", "result": {"error": "ParserSyntaxError"}},
    ]
    path = FIXTURES / "parsers-oracle.json"
    if path.exists():
        told += json.loads(path.read_text())["config_parser"]
    return told


@pytest.mark.parametrize("told", _told(), ids=lambda told: repr(told["source"]))
def test_it_takes_and_refuses_what_maildrophost_does(told: dict[str, Any]) -> None:
    if "ok" in told["result"]:
        found = parse(told["source"], "config")

        assert [[name, value] for name, (value, _) in found.items()] == (
            told["result"]["ok"]
        )
    else:
        with pytest.raises(Unreadable, match=r"^config:1: "):
            parse(told["source"], "config")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", 0),
        ("00", 0),
        ("0777", 511),
        ("0o17", 15),
        ("0X1F", 31),
        ("0x1e", 30),
        ("0b101", 5),
        ("25", 25),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.5e-3", 0.0015),
        ("09.5", 9.5),
        ("True", True),
        ("False", False),
        ("None", None),
        ("''", ""),
        ('"it\'s"', "it's"),
        ("'''a\n'b'\n'''", "a\n'b'\n"),
        ('"""a "quoted" word"""', 'a "quoted" word'),
        (r'"a\"b\\c\n\t\x41\101\q"', 'a"b\\c\n\tAA\\q'),
        (r'"\u00e9"', r"\u00e9"),
        (r'"\xc3\xa9"', "\u00e9"),
        (r'u"\xe9\u20ac\U0001F600\N{BULLET}"', "\u00e9\u20ac\U0001f600\u2022"),
        (r'u"\\u00e9"', r"\u00e9"),
        (r'r"C:\new\"x"', r"C:\new\"x"),
        ('"J\u00f6rg"', "J\u00f6rg"),
        ('"a\\\nb"', "ab"),
        ('"$HOME/x"', "$HOME/x"),
    ],
)
def test_a_value_is_what_python_2_makes_of_it(written: str, value: Value) -> None:
    found = parse(f"A={written}\nB=1\n", "config")

    assert found["A"] == (value, 1)
    assert type(found["A"][0]) is type(value)
    assert found["B"] == (1, 2 + written.count("\n"))


def test_blanks_comments_and_several_assignments_in_a_line_are_passed_over() -> None:
    text = "# c\n\n  \tA = 1 B=2 # c\nC=\\\n3#c\r\nA=4\f\nD='#'"

    assert parse(text, "config") == {
        "A": (4, 6),
        "B": (2, 3),
        "C": (3, 4),
        "D": ("#", 7),
    }


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("A=1\nB=", 2, "B: has no value"),
        ("A=\nB=1", 1, "A: has no value"),
        ("A= # c", 1, "A: has no value"),
        ("A", 1, "A is not assigned anything"),
        ("A=1\n\nMAILDROP_HO", 3, "MAILDROP_HO is not assigned anything"),
        ("A='x", 1, "A: the text is not closed"),
        ("A='x\n'", 1, "A: the text is not closed"),
        ("A='''x\ny''\nB=1\n", 1, "A: the text is not closed"),
        ("A=-1", 1, "A: a number has no sign"),
        ("A=1;", 1, "A: the value is followed by something else"),
        ("A=1 ; B=2", 1, "an assignment cannot begin with ;"),
        ("A=[1]", 1, "A: a list is no value"),
        ("A=1 + 2", 1, "an assignment cannot begin with \\+"),
        ("A='x' 'y'", 1, "an assignment cannot begin with '"),
        ("A='x''y'", 1, "A: the value is followed by something else"),
        ("A=word", 1, "A: a text needs quotes"),
        ("export A=1", 1, "export has no place here"),
        ("A=$HOME", 1, "A: a \\$ is not expanded"),
        ("A==1", 1, "A: has two equal signs"),
        ("A=b'x'", 1, "A: b stands before a quote"),
        ("A=R'x'", 1, "A: R stands before a quote"),
        ("A=ur'x'", 1, "A: ur stands before a quote"),
        ("A=10L", 1, "A: is not a number"),
        ("A=1j", 1, "A: is not a number"),
        ("A=1_000", 1, "A: is not a number"),
        ("A=09", 1, "A: is not a number"),
        ("A=1e999", 1, "A: is a number that is too large"),
        ("A=" + "1" * 5000, 1, "A: is a number with too many digits"),
        ("True=1", 1, "True is a value"),
        ("A=1\n\0\0\0", 2, r"an assignment cannot begin with \\x00"),
        ("\u00c4=1", 1, "an assignment cannot begin with \u00c4"),
        ("A='\\xff'", 1, "A: the text has octets that are not UTF-8"),
        ("A='\\xf'", 1, r"A: \\x in the text needs two hexadecimal digits"),
        ("A=u'\\u12'", 1, r"A: \\u in the text names no letter"),
        ("A=u'\\ud800'", 1, "A: an escape in the text names no letter"),
        ("A=u'\\UFFFFFFFF'", 1, "A: an escape in the text names no letter"),
        ("A=u'\\N{NO SUCH}'", 1, "A: an escape in the text names no letter"),
    ],
)
def test_an_error_names_file_line_and_variable(text: str, line: int, why: str) -> None:
    with pytest.raises(Unreadable, match=rf"^config:{line}: {why}") as caught:
        parse(text, "config")

    assert "(" in caught.value.why  # and what to do
    assert caught.value.where == f"config:{line}"


@pytest.mark.parametrize(
    "written", ["s3cret", '"s3cret', '"x"s3cret', "-s3cret", "b's3cret'", "7s3cret"]
)
def test_no_message_shows_half_a_password(written: str) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(f"MAILDROP_PASSWORD={written}\n", "config")

    assert "s3cret" not in str(caught.value)


def test_a_file_is_read_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_bytes(b"\xef\xbb\xbfMAILDROP_LOGIN='J\xc3\xb6rg'\r\n")

    assert load(path) == {"MAILDROP_LOGIN": ("J\u00f6rg", 1)}


def test_what_is_no_utf_8_may_stand_in_a_comment_only(tmp_path: Path) -> None:
    """A note that somebody saved in Latin-1 never stopped MaildropHost."""
    path = tmp_path / "config"
    path.write_bytes(b"# f\xfcr Zope\nA=1\n")
    assert load(path) == {"A": (1, 2)}

    path.write_bytes(b"A=1\nB='f\xfcr'\n")
    with pytest.raises(Unreadable, match=r"config:2: B: the text is not UTF-8"):
        load(path)


def test_what_cannot_be_read_is_said_with_its_path(tmp_path: Path) -> None:
    pipe, large, closed = tmp_path / "pipe", tmp_path / "large", tmp_path / "loop"
    os.mkfifo(pipe)
    large.write_bytes(b"#" * (LARGEST + 1))
    closed.symlink_to(closed)

    for path, why in [
        (tmp_path, r"is no plain file|is a directory"),
        (pipe, "is no plain file"),
        (large, "is too large"),
        (closed, r"cannot be read \(too many levels of symbolic links\)"),
        (tmp_path / "missing", r"cannot be read \(no such file or directory\)"),
    ]:
        with pytest.raises(Unreadable, match=why) as caught:
            load(path)
        assert caught.value.where == str(path)


def test_a_file_is_read_as_a_shell_reads_it(tmp_path: Path) -> None:
    """The one that MaildropHost comes with, too, where it is here."""
    own = tmp_path / "config"
    own.write_text("# c\nSMTP_HOST=\"mail.example.org\"  # c\nSMTP_PORT=25\nX='a b'\n")
    theirs = (FIXTURES / "config.default", FIXTURES / "dummyconfig")

    for path in (own, *(each for each in theirs if each.exists())):
        found = load(path)
        shown = "\n".join(f'printf "%s\\0" "${name}"' for name in found)
        said = subprocess.run(
            ["sh", "-c", f'. "$1"\n{shown}', "sh", path],
            check=True,
            capture_output=True,
        )

        assert len(found) in (3, 14)
        assert said.stdout.decode().split("\0")[:-1] == [
            str(value) for value, _ in found.values()
        ]


def test_a_file_without_assignments_assigns_nothing(tmp_path: Path) -> None:
    path = tmp_path / "badconfig"
    path.write_text("# nothing\n")

    assert load(path) == {}
