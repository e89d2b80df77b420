# SPDX-License-Identifier: Apache-2.0
"""A token is renewed before it ends, by one for all; and if not, that is said first."""

import json
import os
import stat
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.mail.event import Event
from maildropd.mail.identity_events import (
    TokenAtRisk,
    TokenNotKept,
    TokenRenewed,
    TokenRevoked,
)
from maildropd.relay.identity.token_answer import Answer, TokenTrouble
from maildropd.relay.identity.token_state import TokenState
from maildropd.relay.identity.tokens import RenewedTokens, TokenFile
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.fakes.relay import alive

HOUR = timedelta(hours=1)
ORIGIN = ("https://login.example/token", "us")


class Source:
    """Gives a numbered token, or raises what it was told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.trouble: TokenTrouble | None = None
        self.rotates = False
        self.lives = HOUR
        self.takes: Callable[[], object] = lambda: None

    def ask(self, refresh_token: str) -> Answer:
        self.asked.append(refresh_token)
        self.takes()
        if self.trouble:
            raise self.trouble
        number = len(self.asked)
        newer = f"refresh-{number}" if self.rotates else ""
        return Answer(token=f"token-{number}", lives=self.lives, refresh_token=newer)


class Stage:
    """A source of tokens with all that is around it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "oauth" / "smarthost.json"
        self.source = Source()
        self.clock = FakeClock()
        self.journal = FakeJournal()
        self.tokens = self.fresh()

    def fresh(self, first: str = "first") -> RenewedTokens:
        """Return what a restart makes of it."""
        state = TokenState(self.path, ORIGIN, first)
        return RenewedTokens("mx:587", self.source, state, self.clock, self.journal)

    def token(self) -> str:
        return self.tokens.token(alive)

    def told(self) -> list[type[Event]]:
        return [type(event) for event in self.journal.events]


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_token_is_used_until_shortly_before_its_end(stage: Stage) -> None:
    found = [stage.token()]
    for minutes in (49, 2, 20):
        stage.clock.forward(timedelta(minutes=minutes))
        found.append(stage.token())

    assert found == ["token-1", "token-1", "token-2", "token-2"]
    assert stage.told() == []


def test_a_token_of_a_minute_is_used_for_most_of_it(stage: Stage) -> None:
    stage.source.lives = timedelta(minutes=1)
    stage.token()
    stage.clock.forward(timedelta(seconds=40))

    assert stage.token() == "token-1"


def together(work: Callable[[], object], number: int = 10) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)


def test_many_connections_make_one_request(stage: Stage) -> None:
    found: list[str] = []

    together(lambda: found.append(stage.token()))

    assert stage.source.asked == ["first"]
    assert found == ["token-1"] * 10


def test_after_a_reload_two_configurations_make_one_request(stage: Stage) -> None:
    """Where tokens rotate, the second was told that access was revoked."""
    second, found, twice = stage.fresh(), list[str](), threading.Event()
    other = threading.Thread(target=lambda: found.append(second.token(alive)))

    def slowly() -> None:
        if len(stage.source.asked) > 1:
            twice.set()
        else:
            other.start()
            twice.wait(0.3)  # long enough for the second to ask, too

    stage.source.takes = slowly
    found.append(stage.token())
    other.join(10)

    assert found == ["token-1", "token-1"]
    assert stage.source.asked == ["first"]


def test_many_connections_fail_by_one_request(stage: Stage) -> None:
    """Each would wait for a time-out of its own, one after the other."""
    stage.source.trouble = TokenTrouble("login.example: no answer in time")
    failed: list[RouteError] = []

    def work() -> None:
        try:
            stage.token()
        except RouteError as error:
            failed.append(error)

    together(work)

    assert stage.source.asked == ["first"]
    assert len(failed) == 10


def test_an_alarm_comes_before_the_token_dies_and_once(stage: Stage) -> None:
    stage.token()
    stage.source.trouble = TokenTrouble("login.example: no answer in time")
    stage.clock.forward(timedelta(minutes=51))
    for _ in range(5):
        assert stage.token() == "token-1"
        stage.clock.forward(timedelta(minutes=1))

    [event] = stage.journal.events
    assert isinstance(event, TokenAtRisk)
    assert event.ends - stage.clock.wall() == timedelta(minutes=4)
    assert "no answer in time" in event.text()
    assert len(stage.source.asked) == 6

    stage.source.trouble = TokenTrouble("login.example: answers 500, and no JSON")
    stage.token()
    assert stage.told() == [TokenAtRisk, TokenAtRisk]


def test_a_failed_request_is_not_repeated_with_each_connection(stage: Stage) -> None:
    stage.token()
    stage.source.trouble = TokenTrouble("login.example: no answer in time")
    stage.clock.forward(timedelta(minutes=51))

    for _ in range(10):
        stage.token()

    assert len(stage.source.asked) == 2


def test_what_only_a_person_can_mend_is_told_while_mail_still_goes_out(
    stage: Stage,
) -> None:
    stage.token()
    stage.source.trouble = TokenTrouble("h: invalid_grant (log in)", final=True)
    stage.clock.forward(timedelta(minutes=51))

    assert stage.token() == "token-1"
    assert stage.told() == [TokenRevoked]

    stage.clock.forward(timedelta(minutes=10))
    with pytest.raises(RouteMisconfigured, match=r"no token: h: invalid_grant \(log"):
        stage.token()
    assert stage.told() == [TokenRevoked]


def test_an_endpoint_that_is_down_lets_mail_wait(stage: Stage) -> None:
    stage.source.trouble = TokenTrouble("login.example: no answer in time")

    with pytest.raises(RouteError, match="no token: login") as caught:
        stage.token()

    assert not isinstance(caught.value, RouteMisconfigured)
    assert stage.told() == []


def test_it_is_told_when_all_is_well_again(stage: Stage) -> None:
    stage.token()
    stage.source.trouble = TokenTrouble("h: invalid_grant", final=True)
    stage.clock.forward(timedelta(minutes=51))
    stage.token()
    stage.source.trouble = None
    stage.clock.forward(timedelta(minutes=1))

    assert stage.token() == "token-3"
    assert stage.told() == [TokenRevoked, TokenRenewed]


def test_a_token_is_kept_over_a_restart(stage: Stage) -> None:
    stage.token()
    stage.clock.forward(timedelta(minutes=30))

    assert stage.fresh().token(alive) == "token-1"

    stage.clock.forward(timedelta(minutes=21))
    assert stage.fresh().token(alive) == "token-2"


def test_the_newest_refresh_token_is_kept_over_a_restart(stage: Stage) -> None:
    """Many endpoints take each refresh token once."""
    stage.source.rotates = True
    stage.token()
    stage.clock.forward(HOUR)
    stage.fresh().token(alive)

    assert stage.source.asked == ["first", "refresh-1"]


def test_another_first_token_begins_anew(stage: Stage) -> None:
    stage.source.rotates = True
    stage.token()

    stage.fresh("from-the-admin").token(alive)

    assert stage.source.asked == ["first", "from-the-admin"]


def test_what_another_was_handed_meanwhile_is_used(stage: Stage) -> None:
    """After a reload, connections of before and after it run side by side."""
    stage.source.rotates = True
    stage.token()
    other = stage.fresh()
    other.token(alive)
    stage.clock.forward(timedelta(minutes=51))

    assert stage.token() == other.token(alive) == "token-2"
    assert stage.source.asked == ["first", "refresh-1"]


def test_nobody_else_can_read_what_is_kept(stage: Stage) -> None:
    before = os.umask(0)
    try:
        stage.token()
    finally:
        os.umask(before)

    assert stat.S_IMODE(stage.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(stage.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 60_000,
        b'{"origin": 5}',
        b'{"origin": "ORIGIN", "token": "two words", "ends": 1e12}',
        b'{"origin": "ORIGIN", "token": "x", "ends": "x"}',
        b'{"origin": "ORIGIN", "token": "x", "ends": 1e300}',
        b'{"origin": "ORIGIN", "token": "x", "ends": NaN}',
        b'{"origin": "ORIGIN", "refresh_token": ["x"]}',
        b"\xff\xfe",
    ],
)
def test_what_was_kept_badly_is_forgotten(stage: Stage, octets: bytes) -> None:
    stage.token()
    origin = json.loads(stage.path.read_text())["origin"]
    stage.path.write_bytes(octets.replace(b"ORIGIN", origin.encode()))

    assert stage.fresh().token(alive) == "token-2"
    assert stage.source.asked == ["first", "first"]


def test_a_refresh_token_that_cannot_be_kept_is_an_alarm(
    stage: Stage, tmp_path: Path
) -> None:
    (tmp_path / "oauth").write_text("a file where a directory should be")
    stage.source.rotates = True

    assert stage.token() == "token-1"
    stage.clock.forward(timedelta(minutes=51))
    assert stage.token() == "token-2"

    assert stage.told() == [TokenNotKept, TokenNotKept]
    assert stage.source.asked == ["first", "refresh-1"]


def test_a_token_that_is_refused_is_replaced_once(stage: Stage) -> None:
    stage.token()
    stage.clock.forward(timedelta(minutes=5))

    assert stage.tokens.refused("token-1")
    assert stage.tokens.refused("token-1")  # by another connection
    assert stage.token() == "token-2"
    assert not stage.tokens.refused("token-2")
    assert stage.token() == "token-2"


def test_a_token_that_was_refused_does_not_come_back(stage: Stage) -> None:
    stage.token()
    stage.clock.forward(timedelta(minutes=5))
    stage.tokens.refused("token-1")
    stage.source.trouble = TokenTrouble("login.example: no answer in time")

    with pytest.raises(RouteError, match="no token"):
        stage.token()


def test_a_clock_that_is_set_does_not_end_a_token(stage: Stage) -> None:
    stage.token()
    stage.clock.jump(timedelta(days=400))

    assert stage.token() == "token-1"


def test_a_token_in_a_file_is_read_at_each_use(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text("one\n")
    tokens = TokenFile(path)
    assert tokens.token(alive) == "one"
    assert not tokens.refused("one")

    path.write_text("two\n")

    assert tokens.refused("one")
    assert tokens.token(alive) == "two"


@pytest.mark.parametrize("words", ["", "two words", "\u00e9", "one\ntwo"])
def test_a_file_without_a_token_is_the_admins_to_mend(
    tmp_path: Path, words: str
) -> None:
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(words)

    with pytest.raises(RouteMisconfigured, match=r"token_file .*token: ") as caught:
        TokenFile(path).token(alive)

    assert not words or words not in str(caught.value)


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one")
    path.chmod(0o644)

    with pytest.raises(RouteMisconfigured, match="others can read"):
        TokenFile(path).token(alive)
    assert not TokenFile(path).refused("another")
