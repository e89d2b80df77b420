# SPDX-License-Identifier: Apache-2.0
"""How many connections are whose, also through a gateway."""

from maildropd.edge.listener import Crowd
from maildropd.host.peer import Peer

GATEWAY = Peer(pid=1, uid=500, gid=500)
ALICE = Peer(pid=2, uid=1000, gid=1000)


def crowd() -> Crowd:
    return Crowd(100, lambda peer: 100 if peer == GATEWAY else 2)


def test_a_client_of_a_gateway_is_counted_with_what_he_has_himself() -> None:
    found = crowd()
    found.enter(ALICE)
    found.enter(GATEWAY)
    found.enter(GATEWAY)

    assert found.hand_over(GATEWAY.uid, ALICE.uid, 2)

    assert not found.hand_over(GATEWAY.uid, ALICE.uid, 2)
    assert found.why_not(ALICE) == "too many connections of yours, try again later"
    assert found.why_not(Peer(pid=3, uid=1001, gid=1001)) == ""


def test_what_is_taken_back_does_not_count_any_more() -> None:
    found = crowd()
    for _ in range(5):
        found.enter(GATEWAY)
        assert found.hand_over(GATEWAY.uid, ALICE.uid, 1)
        found.take_back(ALICE.uid, GATEWAY.uid)
        found.leave(GATEWAY)

    assert found.hand_over(GATEWAY.uid, None, 1)


def test_whom_nobody_knows_are_one_user_together() -> None:
    found = crowd()
    found.enter(GATEWAY)
    found.enter(GATEWAY)

    assert found.hand_over(GATEWAY.uid, None, 1)
    assert not found.hand_over(GATEWAY.uid, None, 1)
