# SPDX-License-Identifier: Apache-2.0
"""Messages of our own leave as a submission to the same address would."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maildropd.bounce.case import Action
from maildropd.bounce.rules import Addressed
from maildropd.mail.draft import Recipient
from maildropd.mail.envelope import Submission, Terms
from maildropd.mail.errors import NotNow
from maildropd.queue.press import Press
from tests.unit.bounce.cases import fate
from tests.unit.bounce.reading import Read, read
from tests.unit.queue.desk import Desk

ROOT = "root@mail.example.org"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.stop()


def made(
    desk: Desk, to: Addressed, *recipients: Recipient, trouble: bool = False
) -> Submission:
    """Report on a message, where mail for its sender goes to these."""

    def names(_: str) -> tuple[Recipient, ...]:
        if trouble:
            raise NotNow("the aliases are wrong")
        return recipients

    press = Press(desk.press.office, replace(desk.press.manner, names=names))
    view = desk.store.show(desk.add("bob@x", sender=ROOT))
    assert view is not None
    letter = press.report(view.envelope, to, Action.FAILED, [fate()])
    return letter.notice.submission


def content(submission: Submission) -> Read:
    return read(b"".join(submission.content))


def test_a_report_goes_where_mail_for_the_sender_goes(desk: Desk) -> None:
    """Cron sends as root, and what root's aliases say holds for its bounces, too."""
    runs = Terms(run="|/usr/bin/pager")
    goes = (
        Recipient(forward_path="ops@example.org"),
        Recipient(forward_path=ROOT, terms=runs),
    )

    found = made(desk, Addressed(to=ROOT), *goes)

    assert found.recipients == ("ops@example.org", ROOT)
    assert found.terms == (Terms(), runs)
    assert content(found).head["To"] == f"<{ROOT}>"


def test_aliases_that_are_wrong_keep_no_report_back(desk: Desk) -> None:
    found = made(desk, Addressed(to=ROOT), trouble=True)

    assert found.recipients == (ROOT,)


def test_a_report_on_what_was_captured_is_captured(desk: Desk) -> None:
    """No alias may lead it out of there."""
    elsewhere = Recipient(forward_path="ops@example.org")

    found = made(desk, Addressed(to=ROOT, rules="staging"), elsewhere)

    assert found.recipients == (ROOT,)
    assert found.submitter.rules == "staging"
    assert found.reverse_path is None
