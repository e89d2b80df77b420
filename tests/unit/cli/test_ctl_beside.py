# SPDX-License-Identifier: Apache-2.0
"""The operator's command beside a daemon, through its socket."""

import json
from collections.abc import Callable
from pathlib import Path

from tests.unit.cli.talk import Ctl, FakeService, Said


def test_a_running_daemon_is_asked(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    said = beside_a_daemon(lambda: ctl("queue"))

    assert said.code == 0
    assert said.err == ""
    assert said.out.endswith("1 message, 1 recipient: 1 ready\n")


def test_the_status_tells_of_queue_relay_and_spools(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    said = beside_a_daemon(lambda: ctl("status"))

    assert said.code == 0
    assert said.out.startswith("maildropd   0.1.0, pid 4711, running for ")
    assert said.out.splitlines()[1:] == [
        "config      /etc/maildrop/maildropd.conf",
        "queue       3 recipients: 1 ready, 2 deferred",
        "relay       mx.example.net:25: works, 2 connections, 1 message in flight",
        "spool       drop: /var/spool/maildrop/drop, inotify",
    ]


def test_the_status_tells_of_a_relay_that_fails(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    service = FakeService(relay_works=False)

    said = beside_a_daemon(lambda: ctl("status"), service)

    assert (
        "mx.example.net:25: FAILS (451 no route), next try in 1min 30s, "
        "2 connections, 1 message in flight\n"
    ) in said.out


def test_the_status_tells_that_no_new_mail_is_taken(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    """Only the log said so, and what waits in a drop is in no queue."""
    said = beside_a_daemon(
        lambda: ctl("status"), FakeService(shortage="12 KiB free in /var")
    )

    assert "store       NO NEW MAIL IS TAKEN, 12 KiB free in /var\n" in said.out


def test_a_reload_says_nothing_when_it_is_done(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    assert beside_a_daemon(lambda: ctl("reload")) == Said(0, "", "")


def test_a_reload_that_is_refused_says_why(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    service = FakeService(errors=["maildropd.conf:1: no", "maildropd.conf:2: no"])

    said = beside_a_daemon(lambda: ctl("reload"), service)

    assert said.code == 1
    assert said.err == (
        "the configuration is refused\nmaildropd.conf:1: no\nmaildropd.conf:2: no\n"
    )


def test_a_spoiled_configuration_does_not_lock_the_operator_out(
    folder: Path, ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    """The daemon goes on with what it had."""
    (folder / "maildropd.conf").write_text("nonsense")

    said = beside_a_daemon(lambda: ctl("queue"))

    assert said.code == 0
    assert "(try maildropctl check)" in said.err


def test_relays_are_told_in_columns(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    works = beside_a_daemon(lambda: ctl("relays"))

    told = works.out.splitlines()[1].split()
    assert told == ["smarthost", "(mx.example.net:25)", "works", "2", "0"]


def test_why_a_relay_fails_and_when_it_is_probed_is_told_in_columns(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    service = FakeService(relay_works=False)

    fails = beside_a_daemon(lambda: ctl("relays"), service)

    heading, line = fails.out.splitlines()
    for column, value in (
        ("STATE", "fails for 1h"),
        ("NEXT PROBE", "in 1min 30s"),
        ("WHY", "451 no route"),
    ):
        assert line[heading.index(column) :].startswith(value)


def test_relays_are_told_to_programs_one_a_line(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    service = FakeService(relay_works=False)

    [line] = beside_a_daemon(lambda: ctl("relays", "--json"), service).out.splitlines()

    told = json.loads(line)
    assert (told["name"], told["state"]) == ("smarthost", "fails")
    assert told["retry_in"] == 90.0


def test_only_a_daemon_knows_how_its_relays_do(ctl: Ctl) -> None:
    said = ctl("relays")

    assert said.code == 1
    assert said.err == "maildropd is not running\n"
