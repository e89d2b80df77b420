# SPDX-License-Identifier: Apache-2.0
"""The host's users, as it knows them."""

from datetime import timedelta

from maildropd.host.accounts import Accounts
from tests.fakes.clock import FakeClock


def test_root_is_known() -> None:
    root = Accounts(FakeClock()).of(0)

    assert root.login == "root"
    assert "root" in root.groups


def test_who_has_no_account_has_a_number() -> None:
    """As a service with a dynamic user that is gone."""
    nobody = Accounts(FakeClock()).of(61_999_999)

    assert nobody.login == "uid61999999"
    assert nobody.groups == frozenset()


def test_an_account_is_remembered_for_a_minute() -> None:
    clock = FakeClock()
    accounts = Accounts(clock)
    first = accounts.of(0)

    assert accounts.of(0) is first
    clock.forward(timedelta(minutes=2))
    assert accounts.of(0) is not first
