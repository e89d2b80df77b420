# SPDX-License-Identifier: Apache-2.0
"""What systemd says of a failure, and what anybody might."""

import pytest

from maildropd.notice.failure import Failure, failure, monitored
from tests.unit.notice.stage import NOON, RUN

SAID = {
    "MONITOR_UNIT": "web.service",
    "MONITOR_INVOCATION_ID": RUN,
    "MONITOR_SERVICE_RESULT": "exit-code",
    "MONITOR_EXIT_CODE": "exited",
    "MONITOR_EXIT_STATUS": "3",
}


def test_what_the_variables_say_is_what_failed() -> None:
    found = failure(SAID, "some-other.service", NOON)

    assert (found.unit, found.invocation) == ("web.service", RUN)
    assert found.what == "exit-code, status=3"


def test_without_variables_the_instance_failed() -> None:
    found = failure({}, r"a@b\x2dc.service", NOON)

    assert found == Failure(unit=r"a@b\x2dc.service", at=NOON)
    assert found.what == "failed"


@pytest.mark.parametrize(
    ("result", "code", "status", "what"),
    [
        ("signal", "killed", "KILL", "signal, signal=KILL"),
        ("core-dump", "dumped", "ABRT", "core-dump, signal=ABRT"),
        ("start-limit-hit", "", "", "start-limit-hit"),
        ("resources", "", "", "resources"),
        ("a b", "exited", "1\nBcc: x", "failed"),
    ],
)
def test_a_failure_is_said_in_few_words(
    result: str, code: str, status: str, what: str
) -> None:
    said = {
        "MONITOR_SERVICE_RESULT": result,
        "MONITOR_EXIT_CODE": code,
        "MONITOR_EXIT_STATUS": status,
    }

    assert failure(said, "a.service", NOON).what == what


@pytest.mark.parametrize(
    "unit",
    [
        "",
        "web",
        "web.service\n",
        "web.service\nBcc: x@example.net",
        "--help.service ",
        "we b.service",
        "*.service",
        "w\N{LATIN SMALL LETTER E WITH ACUTE}b.service",
        "@.service",
        ".service",
        "../web.service",
        "web.exe",
        "x" * 248 + ".service",
    ],
)
def test_what_is_no_unit_is_refused(unit: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a unit"):
        failure({}, unit, NOON)


@pytest.mark.parametrize(
    "unit",
    [
        "-.mount",
        r"a@\x2d\x2dhelp.service",
        "dev-disk-by\\x2duuid.swap",
        "x" * 247 + ".service",
    ],
)
def test_odd_names_of_units_are_names(unit: str) -> None:
    assert failure({}, unit, NOON).unit == unit


@pytest.mark.parametrize(
    ("unit", "ours"),
    [
        ("maildropd-notify@a.service.service", True),
        ("maildropd-notify-digest.service", True),
        ("maildropd-notify-digest.timer", True),
        ("maildropd.service", False),
        ("maildropd-notifying.service", False),
    ],
)
def test_what_mails_is_told_from_what_is_mailed_about(unit: str, *, ours: bool) -> None:
    assert failure({}, unit, NOON).is_ours is ours


def test_systemctl_tells_what_the_variables_would() -> None:
    shown = {
        "InvocationID": RUN,
        "Result": "exit-code",
        "ExecMainCode": "1",
        "ExecMainStatus": "3",
    }

    assert failure(monitored(shown), "web.service", NOON) == failure(SAID, "", NOON)


def test_a_status_of_what_never_ran_is_not_told() -> None:
    shown = {"Result": "resources", "ExecMainCode": "0", "ExecMainStatus": "0"}

    assert failure(monitored(shown), "web.service", NOON).what == "resources"
