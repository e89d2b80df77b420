# SPDX-License-Identifier: Apache-2.0
"""How much who may send, and what happens when that is too much."""

from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.model import (
    ByteRate,
    Otherwise,
    Rate,
    Size,
    SubmitterConfig,
)
from maildropd.policy.quota import QuotaExceeded
from maildropd.policy.senders import SenderRefused
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
