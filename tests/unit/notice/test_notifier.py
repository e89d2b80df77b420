# SPDX-License-Identifier: Apache-2.0
"""Root hears of each failure: at once, in a digest, but not again and again."""

from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.notice.failure import Failure
from maildropd.notice.sender import NotHanded
from maildropd.notice.tally import Terms
from tests.unit.notice.stage import HOUR, NOON, RUN, SECOND, Host

TERMS = Terms(window=HOUR, burst=4, span=timedelta(minutes=10), units=50)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, TERMS)


def test_the_first_failure_is_mailed_with_exactly_its_log(host: Host) -> None:
    said = host.fail()

    assert said == "a.service failed: mailed to root"
    assert host.root.subjects == ["[web1] a.service failed: exit-code, status=1"]
    assert f"log of {RUN}" in host.root.mails[0].get_content()
    assert host.witness.asked == [RUN]
    assert host.on_record() == {"a.service": 0}


def test_repeats_come_in_one_digest(host: Host) -> None:
    for _ in range(30):
        host.fail()
        host.now += SECOND
    assert len(host.root.mails) == 1

    assert host.round(later=HOUR) == ["a.service: mailed a digest of 29"]
    assert host.root.subjects[1:] == [
        "[web1] a.service failed 29 times: exit-code, status=1"
    ]


def test_a_digest_opens_the_next_window(host: Host) -> None:
    host.fail()
    host.fail()
    host.round(later=HOUR)

    host.fail()
    assert host.round(later=HOUR - SECOND) == []
    assert host.round(later=SECOND) == ["a.service: mailed a digest of 1"]


def test_after_a_quiet_window_a_failure_is_news_again(host: Host) -> None:
    host.fail()

    assert host.round(later=HOUR) == []
    assert host.on_record() == {}
    host.fail()
    assert len(host.root.mails) == 2


def test_each_unit_has_its_window(host: Host) -> None:
    host.fail("a.service")
    host.now += HOUR / 2
    host.fail("b.service")
    host.fail("b.service")

    assert host.round(later=HOUR / 2) == []
    assert host.round(later=HOUR / 2) == ["b.service: mailed a digest of 1"]


def test_a_thousand_units_at_once_make_a_few_mails(host: Host) -> None:
    for n in range(1000):
        host.fail(f"u{n}.service")
    assert len(host.root.mails) == 4
    assert len(host.on_record()) == 50

    host.round(later=timedelta(minutes=5))

    assert host.root.subjects[4:] == ["[web1] 46 units failed 996 times"]
    assert host.round(later=SECOND) == []
    assert set(host.on_record().values()) == {0}


def test_root_hears_of_units_beyond_the_record_though_all_on_it_are_quiet(
    tmp_path: Path,
) -> None:
    """Those were forgotten after their hour, and nothing told of the others."""
    host = Host(tmp_path, Terms(window=HOUR, burst=4, units=2))
    for unit in "abcde":
        host.fail(f"{unit}.service")

    said = host.round(later=HOUR)

    assert said == ["units beyond those on record failed 3 times: mailed one digest"]
    assert host.root.subjects[2:] == [
        "[web1] units beyond those on record failed 3 times"
    ]
    assert "unit: how" not in host.root.mails[2].get_content()
    assert host.on_record() == {}
    assert host.round(later=HOUR) == []


def test_what_cannot_be_handed_over_is_told_of_in_the_next_round(host: Host) -> None:
    with host.cut_off():
        with pytest.raises(NotHanded):
            host.fail()
        with pytest.raises(NotHanded):
            host.round()

    assert host.on_record() == {"a.service": 1}
    assert host.round() == ["a.service: mailed a digest of 1"]
    assert host.on_record() == {"a.service": 0}
    assert host.round() == []


def test_a_digest_for_many_that_cannot_be_handed_over_forgets_none(host: Host) -> None:
    for n in range(60):
        host.fail(f"u{n}.service")
    with host.cut_off(), pytest.raises(NotHanded):
        host.round()

    host.round()

    assert host.root.subjects[4:] == ["[web1] 46 units failed 56 times"]


def test_what_mails_is_not_mailed_about(host: Host) -> None:
    assert "not mailed" in host.fail("maildropd-notify@a.service.service")
    assert host.root.mails == []
    assert host.on_record() == {}


def test_where_nothing_was_told_systemctl_is_asked(host: Host) -> None:
    host.witness.shown = {
        "InvocationID": RUN,
        "Result": "timeout",
        "NRestarts": "3",
    }

    host.notifier.failed(Failure(unit="a.service", at=NOON))

    assert host.root.subjects == ["[web1] a.service failed: timeout"]
    assert host.witness.asked == [RUN]
    assert "restarted 3 times" in host.root.mails[0].get_content()


def test_where_nobody_knows_anything_a_mail_goes_out(host: Host) -> None:
    host.notifier.failed(Failure(unit="data.mount", at=NOON))

    assert host.root.subjects == ["[web1] data.mount failed: failed"]
    assert host.witness.asked == []
