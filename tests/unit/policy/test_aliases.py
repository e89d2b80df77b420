# SPDX-License-Identifier: Apache-2.0
"""The files behind names: included ones, changed ones, and those nobody can read."""

import os
from pathlib import Path

import pytest

from maildropd.mail.draft import Recipient
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.alias_file import Alias, entries, included
from maildropd.policy.aliases import AliasTrouble
from maildropd.policy.forward_map import ForwardMap
from maildropd.policy.kept_file import KeptFile, Unreadable
from tests.fakes.journal import FakeJournal
from tests.fakes.policies import Policies

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


def goes_to(policies: Policies, name: str) -> list[str]:
    recipients = [Recipient(forward_path=name)]
    found = policies.names.expand(recipients, 1000)
    return [one.terms.run or one.forward_path for one in found]


def told(journal: FakeJournal) -> list[str]:
    return [e.text() for e in journal.events if isinstance(e, AliasesWrong)]


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
        goes_to(policies, "root")
    assert goes_to(policies, "b") == ["x@far.example"]
    assert len(told(policies.journal)) == 1


def test_an_included_file_has_values_and_comments() -> None:
    text = "# all\na@x, b@y\n\n  c@z\n:include:/x\n"

    assert list(included(text)) == ["a@x", "b@y", "c@z", ":include:/x"]


# --- included files ---------------------------------------------------------


def test_a_list_is_read_anew_when_it_changes(policies: Policies, members: Path) -> None:
    assert goes_to(policies, "all") == ["a@far.example", "z@far.example"]

    members.write_text("a@far.example\nb@far.example\n")

    assert goes_to(policies, "all")[:2] == ["a@far.example", "b@far.example"]
    members.unlink()
    with pytest.raises(AliasTrouble, match=r"aliases:1: .*members is not there"):
        goes_to(policies, "all")
    members.write_text("c@far.example\n")
    assert goes_to(policies, "all")[0] == "c@far.example"


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
        goes_to(policies, "all")

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
        goes_to(policies, "all")
    assert goes_to(policies, "b") == ["|/bin/true"]


def test_a_list_is_no_way_to_what_only_the_daemon_may_read(
    policies: Policies, members: Path, tmp_path: Path
) -> None:
    """Its words would be shown as addresses that are wrong."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2 is it\n")
    members.unlink()
    members.symlink_to(secret)

    with pytest.raises(AliasTrouble, match="is a symbolic link") as refused:
        goes_to(policies, "all")
    assert "hunter" not in str(refused.value)


def test_the_aliases_themselves_may_be_a_link(
    policies: Policies, tmp_path: Path
) -> None:
    real = tmp_path / "real"
    real.write_text("a: x@far.example\n")
    policies.aliases.symlink_to(real)
    assert goes_to(policies, "a") == ["x@far.example"]

    real.write_text("a: other@far.example\n")

    assert goes_to(policies, "a") == ["other@far.example"]


@pytest.mark.parametrize("path", ["/x\0y", "/", "//", "/dev/zero", "/proc/self/x/y"])
def test_a_place_where_no_list_can_be_is_told(policies: Policies, path: str) -> None:
    policies.aliases.write_text(f"all: :include:{path}\n")

    with pytest.raises(AliasTrouble, match="aliases:1: "):
        goes_to(policies, "all")


def test_a_pipe_without_a_writer_holds_nobody_up(
    policies: Policies, members: Path
) -> None:
    members.unlink()
    os.mkfifo(members)

    with pytest.raises(AliasTrouble, match="is not a file"):
        goes_to(policies, "all")


def test_a_list_that_anybody_may_write_is_nobodys(
    policies: Policies, members: Path
) -> None:
    members.chmod(0o666)
    with pytest.raises(AliasTrouble, match="can be written by everybody"):
        goes_to(policies, "all")

    members.chmod(0o644)

    assert goes_to(policies, "all")[0] == "a@far.example"


# --- files as they are now --------------------------------------------------


def test_rights_that_are_mended_are_seen(policies: Policies) -> None:
    """Content, size and time of the content stay as they were."""
    policies.aliases.write_text("a: x@far.example\n")
    policies.aliases.chmod(0o646)
    with pytest.raises(AliasTrouble):
        goes_to(policies, "a")

    policies.aliases.chmod(0o644)

    assert goes_to(policies, "a") == ["x@far.example"]


def test_a_file_of_the_same_age_and_size_is_another(policies: Policies) -> None:
    policies.aliases.write_text("a: x@far.example\n")
    assert goes_to(policies, "a") == ["x@far.example"]
    found = policies.aliases.stat()
    new = policies.aliases.with_name("new")
    new.write_text("a: y@far.example\n")
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))

    new.rename(policies.aliases)

    assert goes_to(policies, "a") == ["y@far.example"]


@as_root
def test_a_file_that_nobody_may_read_is_told(policies: Policies) -> None:
    policies.aliases.write_text("a: x@far.example\n")
    policies.aliases.chmod(0)

    with pytest.raises(AliasTrouble, match="Permission denied"):
        goes_to(policies, "a")


def test_a_comment_in_another_charset_hurts_nobody(policies: Policies) -> None:
    """It was the whole file that could not be read, and all local mail waited."""
    policies.aliases.write_bytes(b"# f\xfcr alle\na: x@far.example\nb: \xfc\n")

    assert goes_to(policies, "a") == ["x@far.example"]
    with pytest.raises(AliasTrouble, match="aliases:3"):
        goes_to(policies, "b")
    assert told(policies.journal) == []


def test_a_name_that_is_there_twice_is_told(policies: Policies) -> None:
    policies.aliases.write_text("a: x@far.example\n# x\nA: y@far.example\n")

    assert goes_to(policies, "a") == ["x@far.example"]
    assert told(policies.journal) == [f"{policies.aliases}:3: a has an entry in line 1"]


def test_a_file_that_is_all_wrong_does_not_fill_the_log(policies: Policies) -> None:
    policies.aliases.write_text("what is this\n" * 1000)

    assert goes_to(policies, "a") == ["a@host.example"]
    assert len(told(policies.journal)) == 10


@pytest.mark.parametrize("size", [4 * 1024 * 1024, 4 * 1024 * 1024 + 1])
def test_a_file_has_a_largest_size(tmp_path: Path, size: int) -> None:
    path = tmp_path / "aliases"
    path.write_bytes(b"#" * size)

    if size > 4 * 1024 * 1024:
        with pytest.raises(Unreadable, match="is larger than"):
            KeptFile(path).read()
    else:
        assert len(KeptFile(path).read()) == size


def test_a_file_that_comes_in_pieces_is_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some network file systems do it."""
    path = tmp_path / "aliases"
    path.write_bytes(b"abcdefg")
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, most: real(fd, min(most, 3)))

    assert KeptFile(path).read() == "abcdefg"


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (tmp_path, tmp_path / "none", Path("/dev/null")):
        with pytest.raises((Unreadable, FileNotFoundError)):
            KeptFile(path).read()

    assert len(os.listdir("/proc/self/fd")) == before


# --- the forward map --------------------------------------------------------


def test_a_map_that_is_not_there_is_told_once_and_keeps_what_it_said(
    tmp_path: Path,
) -> None:
    path, journal = tmp_path / "forward", FakeJournal()
    path.write_text("^a@ b@\n")
    forwards = ForwardMap(path, journal)
    assert forwards.apply("a@x") == ("b@x", f"{path}:1")

    path.unlink()

    for _ in range(2):
        assert forwards.apply("a@x")[0] == "b@x"
    assert told(journal) == [f"{path}: is not there"]


@pytest.mark.parametrize(
    "line",
    [
        "(",
        "(?P<x>a",
        "a{4294967296} b",
        "(" * 5000 + " b",
        r"a \g<x>",
        "a",
        "a b c",
        "* a",
    ],
)
def test_a_line_that_is_no_pattern_is_told_and_passed_over(
    tmp_path: Path, line: str
) -> None:
    path, journal = tmp_path / "forward", FakeJournal()
    path.write_text(f"{line}\n^a@ b@\n")

    assert ForwardMap(path, journal).apply("a@x") == ("b@x", f"{path}:2")
    (complaint,) = told(journal)
    assert complaint.startswith(f"{path}:1: is ")


def test_a_name_without_a_domain_that_a_map_makes_is_completed(tmp_path: Path) -> None:
    """It went to the relay as it was."""
    path = tmp_path / "forward"
    path.write_text("^(.*)@old.example$ \\1\n")
    policies = Policies(tmp_path, forward_map=path)

    assert goes_to(policies, "bob@old.example") == ["bob@host.example"]


@pytest.mark.parametrize(
    "replacement", ["a,b@x", "<a@x>", "|x", "a@x;", "(c)a@x", "@x"]
)
def test_what_a_map_makes_is_one_address_or_nothing(
    tmp_path: Path, replacement: str
) -> None:
    path = tmp_path / "forward"
    path.write_text(f"^old@.*$ {replacement}\n")

    found, _ = ForwardMap(path, FakeJournal()).apply("old@x")

    assert found in ("old@x", "|x")
