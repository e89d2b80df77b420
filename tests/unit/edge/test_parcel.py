# SPDX-License-Identifier: Apache-2.0
"""Octets on their way in, and the memory that all sessions have for them."""

import tracemalloc
from pathlib import Path

import pytest

from maildropd.edge.parcel import IN_MEMORY, Allowance, Holding, Parcel
from maildropd.mail.errors import NotNow, TooLarge

MB = 1024 * 1024


@pytest.mark.parametrize("room", [0, 5, 100])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_parcel_gives_back_what_it_got(tmp_path: Path, room: int, size: int) -> None:
    allowance = Allowance(room, tmp_path)
    parcel = Parcel(allowance, 1000)

    for at in range(0, 10, size):
        parcel.write(b"0123456789"[at : at + size])

    assert parcel.size == 10
    assert parcel.head() == b"0123456789"
    assert b"".join(parcel.after(4)) == b"456789"
    assert parcel.is_small is (room >= 10)
    parcel.close()
    assert allowance.take(room)


def test_pieces_of_an_octet_or_two_take_no_more_memory_than_their_octets(
    tmp_path: Path,
) -> None:
    """A list of pieces takes 25 times what is counted."""
    parcel = Parcel(Allowance(MB, tmp_path), MB)

    tracemalloc.start()
    for number in range(IN_MEMORY // 2):
        parcel.write(b"%02d" % (number % 100))
    now, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert parcel.is_small
    assert now < 2 * IN_MEMORY
    parcel.close()


def test_who_is_beyond_the_limit_is_told_which(tmp_path: Path) -> None:
    parcel = Parcel(Allowance(100, tmp_path), 10)

    with pytest.raises(TooLarge, match="message_size_limit"):
        parcel.write(b"x" * 11)
    parcel.close()


def test_a_session_may_hold_little_whatever_others_hold(tmp_path: Path) -> None:
    """Who takes all there is must not keep others from small mail."""
    greedy = Holding(allowance := Allowance(100, tmp_path), free=10)
    greedy.take(100)

    Holding(allowance, free=10).take(10)
    with pytest.raises(NotNow) as error:
        Holding(allowance, free=10).take(11)
    assert error.value.reply.code == 452

    greedy.let_go()
    Holding(allowance, free=10).take(100)
