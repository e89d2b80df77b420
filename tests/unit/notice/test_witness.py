# SPDX-License-Identifier: Apache-2.0
"""What is asked, and how much of the answer is taken."""

from maildropd.host.command import Ended
from maildropd.notice.witness import ENTRIES, _bounded, matches
from tests.unit.notice.stage import RUN


def entries(count: int, *, first: int = 0) -> str:
    return "".join(f"2026 sh[1]: {n}\n      more\n" for n in range(first, count))


def test_what_systemd_says_of_it_counts_only_from_systemd() -> None:
    """Any program can log a field INVOCATION_ID."""
    own, either, *systemds = matches(RUN)

    assert own == f"_SYSTEMD_INVOCATION_ID={RUN}"
    assert either == "+"
    assert systemds == ["_PID=1", f"INVOCATION_ID={RUN}"]


def test_a_log_within_the_bound_is_taken_whole() -> None:
    text = entries(ENTRIES)

    log = _bounded(Ended(status=0, said=text.encode()))

    assert (log.text, log.cut) == (text, False)


def test_of_a_longer_log_the_last_entries_are_taken() -> None:
    log = _bounded(Ended(status=0, said=entries(ENTRIES + 1).encode()))

    assert (log.text, log.cut) == (entries(ENTRIES + 1, first=1), True)


def test_half_a_line_is_left_out() -> None:
    log = _bounded(Ended(status=0, said=b"\xbc half\nwhole\n", cut=True))

    assert (log.text, log.cut) == ("whole\n", True)


def test_one_line_that_is_longer_than_the_bound_is_shown_as_far_as_it_goes() -> None:
    log = _bounded(Ended(status=0, said=b"x" * 100, cut=True))

    assert (log.text, log.cut) == ("x" * 100 + "\n", True)


def test_only_a_line_feed_ends_a_line() -> None:
    text = "".join(f"2026 sh[1]: {n}\x0c\x85\n" for n in range(ENTRIES))

    log = _bounded(Ended(status=0, said=text.encode()))

    assert (log.text, log.cut) == (text, False)
