# SPDX-License-Identifier: Apache-2.0
"""How much who may send, and what happens when that is too much."""

from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.model import ByteRate, Otherwise, Size, SubmitterConfig
from maildropd.config.rate import Rate
from maildropd.policy.quota import QuotaExceeded, Quotas
from maildropd.policy.senders import SenderRefused
from tests.fakes.clock import FakeClock
from tests.fakes.policies import ALICE, BOB, Policies, by, draft

FROM_BOB = b"From: Bob <bob@host.example>\nSubject: s\n\n"
HOUR = timedelta(hours=1)


def test_a_section_has_lower_limits_never_higher(tmp_path: Path) -> None:
    section = SubmitterConfig(
        name="s",
        user=("alice",),
        message_size_limit=Size(10),
        recipient_limit=10**6,
        connections=3,
    )
    policies = Policies(tmp_path, section)
    gate = policies.gate()

    assert gate.size_limit(by(ALICE)) == 10
    assert gate.recipient_limit(by(ALICE)) == policies.queue.recipient_limit
    assert gate.connection_limit(by(ALICE)) == 3
    assert gate.size_limit(by(BOB)) == policies.queue.message_size_limit
    assert gate.connection_limit(by(BOB)) == 100


def test_who_has_had_his_share_waits_and_others_do_not(tmp_path: Path) -> None:
    section = SubmitterConfig(name="s", message_quota=Rate(amount=2, period=HOUR))
    policies = Policies(tmp_path, section)
    gate = policies.gate()
    for _ in range(2):
        gate.admit(draft(), by(ALICE))

    with pytest.raises(QuotaExceeded, match="message_quota"):
        gate.admit(draft(), by(ALICE))
    gate.admit(draft(), by(BOB))

    policies.clock.forward(HOUR / 2)
    gate.admit(draft(), by(ALICE))
    with pytest.raises(QuotaExceeded):
        gate.admit(draft(), by(ALICE))


def test_octets_are_counted_and_one_large_mail_passes_all_the_same(
    tmp_path: Path,
) -> None:
    rate = ByteRate(Rate(amount=100, period=HOUR))
    gate = Policies(tmp_path, SubmitterConfig(name="s", byte_quota=rate)).gate()

    gate.admit(draft(size=1000), by(ALICE))
    with pytest.raises(QuotaExceeded, match="byte_quota"):
        gate.admit(draft(size=1), by(ALICE))


def test_what_a_policy_refuses_takes_nothing_of_a_share(tmp_path: Path) -> None:
    section = SubmitterConfig(
        name="s",
        message_quota=Rate(amount=1, period=HOUR),
        otherwise=Otherwise.REFUSE,
    )
    gate = Policies(tmp_path, section).gate()

    with pytest.raises(SenderRefused):
        gate.admit(draft(FROM_BOB), by(ALICE))
    gate.admit(draft(), by(ALICE))


def test_a_reload_gives_nobody_a_new_share(tmp_path: Path) -> None:
    section = SubmitterConfig(name="s", message_quota=Rate(amount=1, period=HOUR))
    policies = Policies(tmp_path, section)
    policies.gate().admit(draft(), by(ALICE))

    with pytest.raises(QuotaExceeded):
        policies.gate().admit(draft(), by(ALICE))


def test_one_quota_that_is_used_up_takes_nothing_of_the_other() -> None:
    section = SubmitterConfig(
        name="s",
        message_quota=Rate(amount=2, period=HOUR),
        byte_quota=ByteRate(Rate(amount=100, period=HOUR)),
    )
    quotas = Quotas(FakeClock())
    quotas.take(section, 1, 90)

    for _ in range(5):
        with pytest.raises(QuotaExceeded, match="byte_quota"):
            quotas.take(section, 1, 20)
    quotas.take(section, 1, 10)


def test_what_was_not_stored_is_given_back_and_no_more() -> None:
    section = SubmitterConfig(
        name="s",
        message_quota=Rate(amount=1, period=HOUR),
        byte_quota=ByteRate(Rate(amount=100, period=HOUR)),
    )
    quotas = Quotas(FakeClock())
    quotas.give_back(section, 1, 50)  # nothing was taken
    quotas.take(section, 1, 1000)

    for _ in range(3):
        quotas.give_back(section, 1, 1000)

    quotas.take(section, 1, 1000)
    with pytest.raises(QuotaExceeded):
        quotas.take(section, 1, 1)


def test_a_rate_fills_as_time_goes_by_and_not_beyond() -> None:
    section = SubmitterConfig(name="s", message_quota=Rate(amount=60, period=HOUR))
    clock = FakeClock()
    quotas = Quotas(clock)
    for _ in range(60):
        quotas.take(section, 1, 1)

    clock.forward(timedelta(seconds=59))
    with pytest.raises(QuotaExceeded, match="more than 60 messages in 1:00:00"):
        quotas.take(section, 1, 1)
    clock.forward(timedelta(seconds=2))
    quotas.take(section, 1, 1)
    clock.forward(HOUR * 100)
    for _ in range(60):
        quotas.take(section, 1, 1)
    with pytest.raises(QuotaExceeded):
        quotas.take(section, 1, 1)


def test_each_user_and_each_section_has_a_share_of_his_own() -> None:
    rate = Rate(amount=1, period=HOUR)
    first = SubmitterConfig(name="first", message_quota=rate)
    other = SubmitterConfig(name="other", message_quota=rate)
    quotas = Quotas(FakeClock())

    for section in (first, other):
        for uid in (0, 1, None):
            quotas.take(section, uid, 1)
            with pytest.raises(QuotaExceeded):
                quotas.take(section, uid, 1)


def test_a_section_without_quotas_counts_nothing() -> None:
    quotas = Quotas(FakeClock())

    for _ in range(1000):
        quotas.take(SubmitterConfig(name="s"), 1, 10**12)


def test_a_host_of_users_takes_bounded_memory_and_forgets_the_idle_first() -> None:
    section = SubmitterConfig(name="s", message_quota=Rate(amount=1, period=HOUR))
    clock = FakeClock()
    quotas = Quotas(clock)
    for uid in range(10_001):
        quotas.take(section, uid, 1)
        clock.forward(timedelta(microseconds=1))

    with pytest.raises(QuotaExceeded):
        quotas.take(section, 10_000, 1)
    quotas.take(section, 0, 1)
