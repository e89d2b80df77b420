# SPDX-License-Identifier: Apache-2.0
"""A quota is for what is stored, not for each look at what is not."""

from datetime import timedelta

import pytest

from maildropd.edge.parcel import Allowance
from maildropd.edge.spool.admission import Admission
from maildropd.mail.draft import Draft
from maildropd.mail.envelope import Submitter
from maildropd.mail.errors import NotYet, StoreFull, StoreUnusable
from maildropd.policy.quota import QuotaExceeded
from tests.fakes.gate import OpenGate
from tests.unit.spool.stage import MAIL, Stage
from tests.unit.spool.test_bundles import bundle

MINUTE = timedelta(minutes=1)
FORMS = pytest.mark.parametrize(("octets", "mails"), [(MAIL, 1), (bundle(1, 2), 2)])


class FiveMails(OpenGate):
    """Lets five mails pass, and then none."""

    left = 5

    def admit(self, draft: Draft, submitter: Submitter) -> Draft:
        if not self.left:
            raise QuotaExceeded("five are enough")
        self.left -= 1
        return draft

    def undo(self, draft: Draft, submitter: Submitter) -> None:
        self.left += 1


@pytest.fixture
def quota(stage: Stage) -> FiveMails:
    gate, allowance = FiveMails(), Allowance(1_000_000, stage.path.parent)
    stage.pickup._taker._admission = Admission(gate=gate, allowance=allowance)
    return gate


@FORMS
@pytest.mark.parametrize("trouble", [StoreFull("full"), StoreUnusable("locked")])
def test_mail_waits_for_no_quota_once_there_is_room_again(
    stage: Stage, quota: FiveMails, trouble: Exception, octets: bytes, mails: int
) -> None:
    """Ten minutes without room had used up the quota of an hour, for nothing."""
    stage.store.broken = trouble
    stage.write("mail", octets)
    for _ in range(10):
        stage.rest(MINUTE)
    assert stage.store.submissions >= 10

    stage.store.broken = None
    stage.rest(MINUTE)

    assert stage.names() == []
    assert len(stage.contents) == mails
    assert quota.left == 5 - mails


@FORMS
def test_what_could_not_even_be_submitted_has_taken_no_quota(
    stage: Stage, quota: FiveMails, octets: bytes, mails: int
) -> None:
    def changed() -> None:
        raise NotYet("it changed while it was read")

    stage.store.before_reading = changed
    stage.write("mail", octets)
    for _ in range(10):
        stage.rest(MINUTE)

    stage.store.before_reading = lambda: None
    stage.rest(MINUTE)

    assert len(stage.contents) == mails
    assert quota.left == 5 - mails
