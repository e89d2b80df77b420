# SPDX-License-Identifier: Apache-2.0
"""What holds for all values: what is said is read, waits grow, ids go up."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read
from maildropd.config.relay import Auth, Tls
from maildropd.mail.envelope import is_queue_id, queue_id
from maildropd.mail.reply import Reply
from maildropd.queue.backoff import Backoff
from maildropd.queue.breaker import Breaker
from maildropd.store.injector import QueueIds
from maildropd.store.rows import micros, number, time
from tests.fakes.clock import FakeClock

same_each_time = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
SPANS = st.timedeltas(timedelta(milliseconds=1), timedelta(weeks=100)).map(
    lambda span: span // timedelta(milliseconds=1) * timedelta(milliseconds=1)
)
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=12_000)).map(FIRST.__add__)


def spelt(span: timedelta) -> str:
    """Say a duration in as many units as it needs."""
    rest, words = span // timedelta(milliseconds=1), ""
    for unit, length in reversed(UNITS.items()):
        count, rest = divmod(rest, length)
        words += f"{count}{unit} " if count else ""
    return words.strip() or "0"


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, dict[str, object]]:
    """Draw what an administrator may want, by section and key."""
    first, slowest, give_up = sorted(draw(st.tuples(SPANS, SPANS, SPANS)))
    queue = {
        "first_retry": first,
        "slowest_retry": slowest,
        "give_up_after": give_up + timedelta(seconds=1),
        "message_size_limit": draw(st.integers(1, 1 << 50)),
    }
    relay = {
        "host": draw(st.sampled_from(["mx.example.net", "192.0.2.1", "2001:db8::1"])),
        "port": draw(st.integers(0, 65535)),
        "tls": draw(st.sampled_from(Tls)),
        "auth": draw(st.sampled_from(Auth)),
        "tls_verify": draw(st.booleans()),
        "max_connections": draw(st.integers(1, 100)),
        "command_timeout": draw(SPANS),
    }
    chosen = {"queue": queue, "relay a": relay}
    return {
        section: {key: value for key, value in keys.items() if draw(st.booleans())}
        if section != "queue"
        else keys
        for section, keys in chosen.items()
    }


def said(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case timedelta():
            return spelt(value)
        case _:
            return str(value)


def written(folder: Path, wanted: Mapping[str, Mapping[str, object]]) -> Config:
    lines = []
    for section, keys in wanted.items():
        lines.append(f"[{section}]")
        for key, value in keys.items():
            unit = "B" if key == "message_size_limit" else ""
            lines += ["# a comment", f"{key} =\\", f"  {said(value)}{unit}", ""]
    main = folder / "maildropd.conf"
    main.write_text("\n".join(lines))
    return read(Layout.of_path(main))


@same_each_time
@given(wanted=wishes())
def test_what_an_administrator_wants_is_what_is_read(
    wanted: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    config = written(tmp_path, wanted)

    for key, value in wanted["queue"].items():
        assert getattr(config.queue, key) == value
    for key, value in wanted["relay a"].items():
        assert getattr(config.relay, key) == value


@same_each_time
@given(SPANS, SPANS, st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_wait_grows_up_to_the_slowest_and_never_beyond(
    one: timedelta, other: timedelta, attempts: int, jitter: float
) -> None:
    backoff = Backoff(first=min(one, other), slowest=max(one, other))

    wait, later = (backoff.delay(n, jitter) for n in (attempts, attempts + 1))

    assert timedelta(0) < wait <= later <= backoff.slowest
    assert wait >= backoff.first * 0.79


@same_each_time
@given(st.lists(st.sampled_from(["fail", "refuse", "work", "retry", 0, 1, 60, 4000])))
def test_a_broken_route_is_probed_again_and_again_and_told_once(
    events: list[str | int],
) -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    told: list[str] = []  # since it last worked
    for event in events:
        match event:
            case "fail" | "refuse":
                refused = event == "refuse"
                news = breaker.failed(Reply(451, "4.4.1", event), refused=refused)
                assert not (news and told[-1:] == [event])
                told += [event] if news else []
                assert told
            case "work":
                assert (breaker.works() is None) is (not told)
                told = []
            case "retry":
                breaker.retry_now()
            case _:
                clock.forward(timedelta(seconds=float(event)))
        wait = breaker.wait()
        assert (wait is None) is (not told)
        assert wait is None or timedelta(0) <= wait <= timedelta(hours=1)


@same_each_time
@given(st.lists(st.integers(-(10**6), 10**6), max_size=50), st.integers(0, 1023))
def test_ids_go_up_whatever_the_clock_does(steps: list[int], bits: int) -> None:
    clock = FakeClock()
    ids = QueueIds(clock, lambda _: bits)
    found = []
    for step in steps:
        clock.time += timedelta(milliseconds=step)
        found.append(ids.next()[0])

    assert found == sorted(set(found))
    assert [number(each) for each in found] == sorted(map(number, found))
    assert all(map(is_queue_id, found))


@same_each_time
@given(MOMENTS, st.integers(0, 1023))
def test_a_moment_comes_back_from_the_store_as_it_was(at: datetime, bits: int) -> None:
    assert time(micros(at)) == at
    assert is_queue_id(queue_id(at, bits))
