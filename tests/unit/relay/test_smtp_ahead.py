# SPDX-License-Identifier: Apache-2.0
"""The next message's envelope goes out with this one's final dot: a trip less."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from maildropd.config.relay import RelayConfig
from maildropd.mail.errors import ContentGone, RouteError
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.relay.base import Delivery
from maildropd.relay.dialogue import Dialogue
from maildropd.relay.handover import Handover
from maildropd.relay.smtp import SmtpTransport
from maildropd.relay.wire import Wire
from tests.fakes import actions
from tests.fakes.actions import Action, Peer, reply, reply_and_close
from tests.fakes.clock import FakeClock
from tests.fakes.relay import alive, delivery, transport
from tests.fakes.smtp_server import SmtpServer

DELIVERED, FAILED = Disposition.DELIVERED, Disposition.FAILED
DEFERRED = Disposition.DEFERRED


def to(number: int, *recipients: str, size: int = 10) -> Delivery:
    paths = recipients or (f"r{number}@example.net",)
    return delivery(*paths, number=number, content=b"Subject: hi\n\n" + b"x\n" * size)


def chain(way: SmtpTransport, *deliveries: Delivery) -> list[Outcome]:
    """Deliver one after the other, each knowing the next; all to one recipient."""
    outcomes: list[Outcome] = []
    for number, each in enumerate(deliveries):
        rest = deliveries[number + 1 :]
        told = replace(each, following=rest[0]) if rest else each
        outcomes += way.attempt(told, alive)
    return outcomes


def dispositions(outcomes: list[Outcome]) -> list[Disposition]:
    return [each.disposition for each in outcomes]


def taken(server: SmtpServer) -> list[tuple[str, ...]]:
    return [each.recipients for each in server.delivered]


class Glance:
    """Looks at what has come behind the final dot."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def __call__(self, peer: Peer) -> None:
        self.seen.append(vars(peer)["_buffer"])
        peer.usual()


def test_the_next_envelope_is_there_when_the_final_dot_is_answered() -> None:
    glance = Glance()
    with SmtpServer() as server:
        server.on("dot", glance)
        way = transport(server)
        outcomes = chain(way, to(1), to(2), to(3))
        way.close()

        assert dispositions(outcomes) == [DELIVERED] * 3
        assert [each.split(b"\r\n")[0][:10] for each in glance.seen] == [
            b"MAIL FROM:",
            b"MAIL FROM:",
            b"",
        ]
        assert server.connections == 1
        assert server.verbs().count("MAIL") == 3
        assert taken(server) == [(f"r{number}@example.net",) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    "changes",
    [{"extensions": ()}, {"max_messages": 1}],
    ids=["one by one", "one only"],
)
def test_nothing_is_said_in_advance_where_it_must_not_be(
    changes: dict[str, Any],
) -> None:
    glance = Glance()
    extensions = changes.pop("extensions", ("PIPELINING",))
    assert isinstance(extensions, tuple)
    with SmtpServer(extensions=extensions) as server:
        server.on("dot", glance)
        way = transport(server, **changes)
        outcomes = chain(way, to(1), to(2))
        way.close()

        assert dispositions(outcomes) == [DELIVERED] * 2
        assert glance.seen == [b"", b""]


def test_what_was_announced_and_does_not_come_is_no_message() -> None:
    """It went another way: no empty mail may come of it, and no second copy."""
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(replace(to(1), following=to(2)), alive)
        [outcome] = way.attempt(to(3), alive)
        way.close()

        assert outcome.disposition is DELIVERED
        assert server.connections == 2
        assert taken(server) == [("r1@example.net",), ("r3@example.net",)]


def test_a_connection_that_is_let_go_sends_nothing_of_what_was_announced() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(replace(to(1), following=to(2)), alive)
        way.close()

        server.wait(lambda each: each.closed == 1)
        assert "QUIT" not in server.verbs()
        assert taken(server) == [("r1@example.net",)]


def test_the_same_message_for_others_is_not_what_was_announced() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(replace(to(1), following=to(2)), alive)
        [outcome] = way.attempt(to(2, "other@example.net"), alive)
        way.close()

        assert outcome.disposition is DELIVERED
        assert taken(server) == [("r1@example.net",), ("other@example.net",)]


def test_whom_the_message_has_more_by_then_gets_it_as_well() -> None:
    """More of its recipients fell due after it was announced to the first."""
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(replace(to(1), following=to(2)), alive)
        outcomes = way.attempt(to(2, "r2@example.net", "late@example.net"), alive)
        way.close()

        assert dispositions(list(outcomes)) == [DELIVERED, DELIVERED]
        assert sorted(taken(server)[1:]) == [("late@example.net",), ("r2@example.net",)]


@pytest.mark.parametrize(
    ("action", "first"),
    [
        (reply("550 5.6.0 no"), FAILED),
        (reply("451 4.3.0 later"), DEFERRED),
    ],
    ids=["550", "451"],
)
def test_a_content_that_is_refused_says_nothing_about_the_next(
    action: Action, first: Disposition
) -> None:
    with SmtpServer() as server:
        server.on("dot", action, times=1)
        way = transport(server)
        outcomes = chain(way, to(1), to(2))
        way.close()

        assert dispositions(outcomes) == [first, DELIVERED]
        assert server.connections == 1


@pytest.mark.parametrize(
    "action",
    [actions.drop(), actions.reset(), reply_and_close("421 4.3.2 bye")],
    ids=["drop", "reset", "421"],
)
def test_a_connection_that_ends_at_the_dot_leaves_the_next_to_another(
    action: Action,
) -> None:
    """And no doubt about it: its content has not gone out."""
    with SmtpServer() as server:
        server.on("dot", action, times=1)
        way = transport(server)
        outcomes = chain(way, to(1), to(2))
        way.close()

        assert dispositions(outcomes) == [DEFERRED, DELIVERED]
        assert not outcomes[1].in_doubt
        assert server.connections == 2


def test_a_cut_after_the_dot_is_in_doubt_though_more_was_said() -> None:
    with SmtpServer() as server:
        server.on("dot", actions.drop(), times=1)
        way = transport(server)
        [outcome] = way.attempt(replace(to(1), following=to(2)), alive)
        way.close()

        assert outcome.in_doubt


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize(
    ("action", "expected"),
    [(reply("550 5.1.1 no"), FAILED), (reply("451 4.2.0 later"), DEFERRED)],
    ids=["550", "451"],
)
def test_an_announced_envelope_that_is_refused_is_that_message_s_trouble(
    stage: str, action: Action, expected: Disposition
) -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(to(1), alive)

        def spoil(peer: Peer) -> None:
            peer.usual()
            server.on(stage, action, times=1)

        server.on("dot", spoil, times=1)
        outcomes = chain(way, to(2), to(3), to(4))
        way.close()

        assert dispositions(outcomes) == [DELIVERED, expected, DELIVERED]
        assert ("r3@example.net",) not in taken(server)


def test_a_server_that_closes_before_the_announced_one_costs_nothing() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(to(1), alive)
        server.on("mail", reply_and_close("421 4.7.0 enough"), matching="", times=1)
        [outcome] = way.attempt(to(2), alive)
        way.close()

        assert outcome.disposition is DELIVERED


def test_a_large_message_takes_the_next_envelope_along() -> None:
    glance = Glance()
    with SmtpServer() as server:
        server.on("dot", glance)
        way = transport(server)
        outcomes = chain(way, to(1, size=400_000), to(2, size=400_000), to(3))
        way.close()

        assert dispositions(outcomes) == [DELIVERED] * 3
        assert glance.seen[0].startswith(b"MAIL FROM:")
        assert [len(each.content) > 800_000 for each in server.delivered] == [
            True,
            True,
            False,
        ]


def test_a_message_in_parts_is_said_part_after_part_without_a_pause() -> None:
    """A mail to a thousand took a round trip more for each hundred."""
    glance = Glance()
    paths = [f"r{number}@example.net" for number in range(250)]
    with SmtpServer() as server:
        server.on("dot", glance)
        way = transport(server)
        outcomes = way.attempt(replace(to(1, *paths), following=to(2)), alive)
        [last] = way.attempt(to(2), alive)
        way.close()

        assert {each.disposition for each in outcomes} == {DELIVERED}
        assert last.disposition is DELIVERED
        assert glance.seen[0].startswith(b"MAIL FROM:")
        assert [len(each) for each in taken(server)] == [100, 100, 50, 1]


def test_what_cannot_be_read_is_told_when_its_turn_has_come() -> None:
    def gone() -> Iterator[bytes]:
        raise ContentGone("lost")

    lost = replace(to(2), content=gone)
    with SmtpServer() as server:
        way = transport(server)
        [first] = way.attempt(replace(to(1), following=lost), alive)
        with pytest.raises(ContentGone):
            way.attempt(lost, alive)
        way.close()

        assert first.disposition is DELIVERED


def test_who_cannot_be_named_is_refused_though_announced() -> None:
    bad = to(2, "b\nRCPT TO:<x>@example.net")
    with SmtpServer() as server:
        way = transport(server)
        outcomes = chain(way, to(1), bad, to(3))
        way.close()

        assert dispositions(outcomes) == [DELIVERED, FAILED, DELIVERED]
        assert taken(server) == [("r1@example.net",), ("r3@example.net",)]


def test_an_aborted_transport_says_nothing_more() -> None:
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(replace(to(1), following=to(2)), alive)
        way.abort()
        with pytest.raises(RouteError):
            way.attempt(to(2), alive)
        way.close()

        assert taken(server) == [("r1@example.net",)]


def test_a_server_that_is_slow_with_what_was_announced_mixes_nothing_up() -> None:
    """Its late answers would have been taken for those to another message."""
    with SmtpServer() as server:
        way = transport(server)
        way.attempt(to(1), alive)

        def slowly(peer: Peer) -> None:
            peer.pause(0.3)
            peer.usual()

        server.on("mail", slowly, times=2)
        way.attempt(replace(to(2), following=to(3)), alive)
        server.on("rcpt", reply("550 5.1.1 no"), matching="r4", times=1)
        [outcome] = way.attempt(to(4), alive)
        way.close()

        assert outcome.disposition is FAILED
        assert taken(server) == [("r1@example.net",), ("r2@example.net",)]


class HalfWire(Wire):
    """A connection that fails while it sends, and on which a yes comes all the same."""

    def __init__(self) -> None:
        super().__init__("client.example", FakeClock(), alive)

    def unprompted(self) -> bool:
        return False

    def put(self, octets: bytes) -> bool:
        return not octets.endswith(b"DATA\r\n")

    def getreply(self) -> tuple[int, bytes]:
        return 250, b"2.0.0 ok"


def test_a_yes_to_what_was_not_sent_to_its_end_is_in_doubt() -> None:
    """The dot has gone out, or what came after it: nobody knows."""
    config = RelayConfig(name="smarthost")
    wire = HalfWire()
    handover = Handover(wire, Dialogue(wire, config), config)

    [(numbers, outcome)] = handover.run(iter([b"x\r\n.\r\n"]), [0], b"MAIL\r\nDATA\r\n")

    assert numbers == [0]
    assert outcome.in_doubt
    assert outcome.disposition is DEFERRED


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()])
def test_what_follows_is_read_once_and_not_before_it_can_be_of_use(
    extensions: tuple[str, ...],
) -> None:
    """25 MB were read, and signed, for an announcement that was not made."""
    reads: list[int] = []

    def content() -> Iterator[bytes]:
        reads.append(1)
        yield b"Subject: hi\n\nx\n"

    second = replace(to(2), content=content)
    with SmtpServer(extensions=extensions) as server:
        way = transport(server)
        outcomes = chain(way, to(1), second)
        way.close()

    assert dispositions(outcomes) == [DELIVERED] * 2
    assert len(reads) == 1


def test_a_time_out_behind_the_final_dot_is_a_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server had all of it; what had no room any more was the next envelope."""
    real = Wire.put

    def put(wire: Wire, octets: bytes) -> bool:
        content, dot, behind = octets.partition(b"\r\n.\r\n")
        if not behind:
            return real(wire, octets)
        monkeypatch.setattr(Wire, "put", real)
        real(wire, content + dot)
        raise wire.timed_out()

    monkeypatch.setattr(Wire, "put", put)
    with SmtpServer() as server:
        way = transport(server)
        first, second = to(1), to(2)
        (outcome,) = way.attempt(replace(first, following=second), alive)
        way.close()
        server.wait(lambda s: len(s.delivered) == 1)

    assert (outcome.disposition, outcome.in_doubt) == (DEFERRED, True)
