# SPDX-License-Identifier: Apache-2.0
"""Files of the administrator's as they are now, and those nobody can read."""

import errno
import os
from pathlib import Path

import pytest

from maildropd.policy.aliases import AliasTrouble
from maildropd.policy.forward_map import ForwardMap
from maildropd.policy.kept_file import KeptFile, Unreadable
from tests.fakes.journal import FakeJournal
from tests.fakes.policies import Policies, goes_to, told


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    return Policies(tmp_path)


def test_rights_that_are_mended_are_seen(policies: Policies) -> None:
    """Content, size and time of the content stay as they were."""
    policies.aliases.write_text("a: x@far.example\n")
    policies.aliases.chmod(0o646)
    with pytest.raises(AliasTrouble):
        goes_to(policies.names, "a")

    policies.aliases.chmod(0o644)

    assert goes_to(policies.names, "a") == ["x@far.example"]


def test_a_file_of_the_same_age_and_size_is_another(policies: Policies) -> None:
    policies.aliases.write_text("a: x@far.example\n")
    assert goes_to(policies.names, "a") == ["x@far.example"]
    found = policies.aliases.stat()
    new = policies.aliases.with_name("new")
    new.write_text("a: y@far.example\n")
    os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))

    new.rename(policies.aliases)

    assert goes_to(policies.names, "a") == ["y@far.example"]


def test_a_comment_in_another_charset_hurts_nobody(policies: Policies) -> None:
    """It was the whole file that could not be read, and all local mail waited."""
    policies.aliases.write_bytes(b"# f\xfcr alle\na: x@far.example\nb: \xfc\n")

    assert goes_to(policies.names, "a") == ["x@far.example"]
    with pytest.raises(AliasTrouble, match="aliases:3"):
        goes_to(policies.names, "b")
    assert told(policies.journal) == []


def test_a_name_that_is_there_twice_is_told(policies: Policies) -> None:
    policies.aliases.write_text("a: x@far.example\n# x\nA: y@far.example\n")

    assert goes_to(policies.names, "a") == ["x@far.example"]
    assert told(policies.journal) == [f"{policies.aliases}:3: a has an entry in line 1"]


def test_a_file_that_is_all_wrong_does_not_fill_the_log(policies: Policies) -> None:
    policies.aliases.write_text("what is this\n" * 1000)

    assert goes_to(policies.names, "a") == ["a@host.example"]
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


def test_a_disk_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int, __: int) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "aliases"
    path.write_bytes(b"a: b")
    monkeypatch.setattr(os, "read", failing)

    with pytest.raises(Unreadable, match="Input/output error"):
        KeptFile(path).read()


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for path in (tmp_path, tmp_path / "none", Path("/dev/null")):
        with pytest.raises((Unreadable, FileNotFoundError)):
            KeptFile(path).read()

    assert len(os.listdir("/proc/self/fd")) <= before


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

    assert goes_to(policies.names, "bob@old.example") == ["bob@host.example"]


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
