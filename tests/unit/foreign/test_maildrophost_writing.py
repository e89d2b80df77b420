# SPDX-License-Identifier: Apache-2.0
"""A written configuration: both of its readers get out what went in."""

import stat
import subprocess
from pathlib import Path

import pytest

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.grammar import Value, load, parse
from maildropd.foreign.maildrophost.writing import text, write

TEXTS = [
    "",
    "plain",
    "a b  c",
    'say "it"',
    "it's",
    "back\\slash",
    "\\",
    "'",
    '"',
    "$HOME",
    "`id`",
    "$(id)",
    "!x ~ * ? [a] {b} # ; & | < > ( )",
    "a'b$c",
    "a\\b$c",
    "'\"\\$`",
    "line\nline",
    "line\n",
    "\n\n",
    "a\r\nb'$\\",
    "tab\tbell\a\x7f",
    "J\u00f6rg \u20ac \U0001f600",
    "J\u00f6rg's $5 \\ \u20ac\n",
    "\\u00e9 \\x41 \\n",
    "%s %b %% \\0101",
    " blanks ",
]


def by_shell(path: Path, name: str) -> str:
    """Return what a shell has after it has read the file."""
    done = subprocess.run(
        ["sh", "-c", f'. "$1" && printf "%s" "${name}"', "sh", path],
        check=True,
        capture_output=True,
    )
    assert done.stderr == b""
    return done.stdout.decode()


@pytest.mark.parametrize("value", TEXTS, ids=repr)
def test_a_text_comes_out_the_same_in_both_languages(
    value: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    write(path, {"A": value, "B": 1})

    assert load(path) == {"A": (value, 1), "B": (1, 2)}
    assert by_shell(path, "A") == value
    assert by_shell(path, "B") == "1"


@pytest.mark.parametrize(
    ("value", "read", "shown"),
    [
        (0, 0, "0"),
        (25, 25, "25"),
        (0.5, 0.5, "0.5"),
        (1e-7, 1e-7, "1e-07"),
        (True, 1, "1"),
        (False, 0, "0"),
        (None, "", ""),
    ],
)
def test_a_number_is_written_without_quotes(
    value: Value, read: Value, shown: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    write(path, {"A": value})

    assert load(path) == {"A": (read, 1)}
    assert by_shell(path, "A") == shown


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud800", -1, float("inf"), float("nan"), -0.5], ids=repr
)
def test_what_the_grammar_has_no_word_for_is_refused(value: Value) -> None:
    with pytest.raises(Unreadable, match=r"^A: "):
        text({"A": value})


def test_only_its_owner_can_read_it_even_where_it_was_open(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("MAILDROP_PASSWORD='old'\n")
    path.chmod(0o644)

    write(path, {"MAILDROP_PASSWORD": "new"})

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["config"]


def test_what_cannot_be_said_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "config"
    write(path, {"A": "old"})

    with pytest.raises(Unreadable):
        write(path, {"A": "\0"})

    assert load(path) == {"A": ("old", 1)}


def test_a_heading_is_a_comment_and_the_order_is_kept() -> None:
    said = text({"B": 1, "A": "x"}, "made by us\nnot by hand")

    assert said == '# made by us\n# not by hand\nB=1\nA="x"\n'
    assert list(parse(said, "config")) == ["B", "A"]
