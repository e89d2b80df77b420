# SPDX-License-Identifier: Apache-2.0
"""The files behind names: included ones, changed ones, and those nobody can read."""

import os
from pathlib import Path

import pytest

from maildropd.policy.alias_file import Alias, entries, included
from maildropd.policy.aliases import AliasTrouble
from tests.fakes.policies import Policies, goes_to, told

as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    return Policies(tmp_path)


@pytest.fixture
def members(policies: Policies, tmp_path: Path) -> Path:
    """Return a file that the alias ``all`` includes."""
    found = tmp_path / "members"
    found.write_text("a@far.example\n")
    policies.aliases.write_text(f"all: :include:{found}, z@far.example\n")
    return found


# --- the form ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("root: a\r\nbob: b\r\n", {"root": ("a",), "bob": ("b",)}),
        ("root: a,\n\tb,\n\n# between\n c\n", {"root": ("a", "b", "c")}),
        ("ROOT : a\nBob\t: b", {"root": ("a",), "bob": ("b",)}),
        ('"Two Words": a', {"two words": ("a",)}),
        ("a: \"Doe, J\" <j@x>, 'b'", {"a": ('"Doe, J" <j@x>', "'b'")}),
        ('a: "/var/mail/my box"', {"a": ("/var/mail/my box",)}),
        ('a: ":include:/a, b"', {"a": (":include:/a, b",)}),
        ('a: "|x \\\\ \\"y\\""', {"a": ('|x \\ "y"',)}),
        ("a: \\b, c\\,d", {"a": ("\\b", "c\\,d")}),
        ("a: x:y", {"a": ("x:y",)}),
        ("a: b\u2028c: d", {"a": ("b\u2028c: d",)}),
        ("a:", {"a": ()}),
        ("a: ,, ,", {"a": ()}),
        ("", {}),
        ("#\n  # x\n\t\n", {}),
    ],
)
def test_entries_are_what_the_file_says(
    text: str, found: dict[str, tuple[str, ...]]
) -> None:
    read = {one.name: one.values for one in entries(text) if isinstance(one, Alias)}

    assert read == found


@pytest.mark.parametrize("text", ["a b: c", ": c", '"": c', '"a: c', "a", "=: x\n@"])
def test_a_line_that_is_no_entry_has_a_number(text: str) -> None:
    wrong = [
        one for one in entries(f"x: y\n\n{text}\nz:\n") if not isinstance(one, Alias)
    ]

    assert wrong
    assert {one.line for one in wrong} <= {3, 4}


@pytest.mark.parametrize(
    "text", ["a: b\n" + " c,\n" * 200_000, "a: " + "x" * 4_000_000, "a" * 4_000_000]
)
def test_a_large_file_takes_no_time(text: str) -> None:
    """Each line that goes on was joined to a copy of all before it."""
    assert len(list(entries(text))) == 1


@pytest.mark.parametrize("value", ['"', 'b, "c', '"b\\"', "b\\"])
def test_an_entry_that_breaks_off_puts_off_mail_for_its_name(
    policies: Policies, value: str
) -> None:
    """The name was unknown, and its mail went astray."""
    policies.aliases.write_text(f"root: {value}\nb: x@far.example\n")

    with pytest.raises(AliasTrouble, match=r"aliases:1: root (has|ends)"):
        goes_to(policies.names, "root")
    assert goes_to(policies.names, "b") == ["x@far.example"]
    assert len(told(policies.journal)) == 1


def test_an_included_file_has_values_and_comments() -> None:
    text = "# all\na@x, b@y\n\n  c@z\n:include:/x\n"

    assert list(included(text)) == ["a@x", "b@y", "c@z", ":include:/x"]


# --- included files ---------------------------------------------------------


def test_a_list_is_read_anew_when_it_changes(policies: Policies, members: Path) -> None:
    assert goes_to(policies.names, "all") == ["a@far.example", "z@far.example"]

    members.write_text("a@far.example\nb@far.example\n")

    assert goes_to(policies.names, "all")[:2] == ["a@far.example", "b@far.example"]
    members.unlink()
    with pytest.raises(AliasTrouble, match=r"aliases:1: .*members is not there"):
        goes_to(policies.names, "all")
    members.write_text("c@far.example\n")
    assert goes_to(policies.names, "all")[0] == "c@far.example"


def test_a_list_that_does_not_change_is_read_once(
    policies: Policies, members: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every recipient that is named looks at it."""
    opened: list[object] = []
    real = os.open

    def counting(path: str, *rest: int) -> int:
        opened.append(path)
        return real(path, *rest)

    monkeypatch.setattr(os, "open", counting)
    for _ in range(5):
        goes_to(policies.names, "all")

    assert opened == [policies.aliases, members]


@pytest.mark.parametrize(
    "line", ["|/bin/sh", '"|/bin/sh -c x"', "/etc/passwd", ":include:/x", ":fail:"]
)
def test_who_writes_a_list_can_run_nothing(tmp_path: Path, line: str) -> None:
    """A list may belong to somebody who may not do what the daemon may."""
    policies = Policies(tmp_path, aliases_may_run=True)
    members = tmp_path / "members"
    members.write_text(f"a@far.example\n{line}\n")
    policies.aliases.write_text(f"all: :include:{members}\nb: |/bin/true\n")

    with pytest.raises(AliasTrouble, match="may have addresses only"):
        goes_to(policies.names, "all")
    assert goes_to(policies.names, "b") == ["|/bin/true"]


def test_a_list_is_no_way_to_what_only_the_daemon_may_read(
    policies: Policies, members: Path, tmp_path: Path
) -> None:
    """Its words would be shown as addresses that are wrong."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2 is it\n")
    members.unlink()
    members.symlink_to(secret)

    with pytest.raises(AliasTrouble, match="is a symbolic link") as refused:
        goes_to(policies.names, "all")
    assert "hunter" not in str(refused.value)


def test_the_aliases_themselves_may_be_a_link(
    policies: Policies, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    real.write_text("a: x@far.example\n")
    policies.aliases.symlink_to(real)
    assert goes_to(policies.names, "a") == ["x@far.example"]

    real.write_text("a: other@far.example\n")

    assert goes_to(policies.names, "a") == ["other@far.example"]


@pytest.mark.parametrize("path", ["/x\0y", "/", "//", "/dev/zero", "/proc/self/x/y"])
def test_a_place_where_no_list_can_be_is_told(policies: Policies, path: str) -> None:
    policies.aliases.write_text(f"all: :include:{path}\n")

    with pytest.raises(AliasTrouble, match="aliases:1: "):
        goes_to(policies.names, "all")


def test_what_is_told_of_a_file_is_one_line_whatever_is_in_it(
    policies: Policies,
) -> None:
    """It goes into replies and into the log."""
    octets = b'a\xff\x1b[2J: :include:/\xff\nb\r: x\nb\r: y\nc\x07: "\n'
    policies.aliases.write_bytes(octets)

    with pytest.raises(AliasTrouble) as refused:
        goes_to(policies.names, "a\udcff\x1b[2J")

    assert str(refused.value).isprintable()
    assert refused.value.reply.text == str(refused.value)
    assert len(told(policies.journal)) == 2
    assert all(line.isprintable() for line in told(policies.journal))


def test_a_pipe_without_a_writer_holds_nobody_up(
    policies: Policies, members: Path
) -> None:
    members.unlink()
    os.mkfifo(members)

    with pytest.raises(AliasTrouble, match="is not a file"):
        goes_to(policies.names, "all")


def test_a_list_that_anybody_may_write_is_nobodys(
    policies: Policies, members: Path
) -> None:
    members.chmod(0o666)
    with pytest.raises(AliasTrouble, match="can be written by everybody"):
        goes_to(policies.names, "all")

    members.chmod(0o644)

    assert goes_to(policies.names, "all")[0] == "a@far.example"
