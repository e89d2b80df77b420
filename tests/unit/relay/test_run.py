# SPDX-License-Identifier: Apache-2.0
"""A command of an alias gets the message, and what it says becomes of it."""

import os
import select
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from shlex import quote

import pytest

from maildropd.host.child import Child, Ended
from maildropd.host.clock import Clock, SystemClock
from maildropd.mail.envelope import Terms
from maildropd.mail.errors import RouteError, StoreUnusable
from maildropd.mail.outcome import Disposition, Outcome
from maildropd.relay.base import Delivery
from maildropd.relay.local.run import CommandTransport
from tests.fakes.relay import LONG, SOON, alive, delivery

DELIVERED, DEFERRED, FAILED = Disposition


def wanting(*commands: str, sender: str | None = "alice@example.org") -> Delivery:
    """Return a message for recipients of which each wants a command run."""
    names = [f"r{n}@example.net" for n in range(len(commands))]
    terms = tuple(Terms(run=f"|{command}") for command in commands)
    return replace(delivery(*names, sender=sender), terms=terms)


def shell(script: str) -> str:
    return f"/bin/sh -c {quote(script)}"


def ran(command: str, limit: timedelta = LONG) -> Outcome:
    transport = CommandTransport(SystemClock(), limit)
    (outcome,) = transport.attempt(wanting(command), alive)
    transport.close()
    assert outcome.relay == "command"
    return outcome


def test_a_command_reads_the_message_and_finds_the_envelope_around_it(
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"

    outcome = ran(shell(f'(cat; echo "$SENDER $RECIPIENT $PATH"; pwd) >{out}'))

    assert outcome.disposition is DELIVERED
    assert out.read_text().splitlines() == [
        "Return-Path: <alice@example.org>",
        "Delivered-To: r0@example.net",
        "Subject: hello",
        "",
        "How do you do?",
        "alice@example.org r0@example.net /usr/local/bin:/usr/bin:/bin",
        "/",
    ]


def test_no_word_of_the_mail_is_in_the_command_line() -> None:
    """An address may begin with a dash, or be a script."""
    mail = wanting("/bin/cat /proc/self/cmdline", sender="-rf@example.org")
    (outcome,) = CommandTransport(SystemClock()).attempt(mail, alive)

    assert "example" not in outcome.reply.text


def test_words_are_split_and_nothing_else_is_done_to_them(tmp_path: Path) -> None:
    """There is no shell: no variable, no second command, no pattern."""
    said = ran("/usr/bin/printf '[%s]' 'a b' \"c\" $HOME ; * `id` >x").reply.text

    assert said.endswith("[a b][c][$HOME][;][*][`id`][>x]")


def test_a_null_sender_is_empty() -> None:
    mail = wanting(shell('[ "${SENDER-x}" = "" ]'), sender=None)

    (outcome,) = CommandTransport(SystemClock()).attempt(mail, alive)

    assert outcome.disposition is DELIVERED


@pytest.mark.parametrize(
    ("code", "disposition", "status"),
    [
        (0, DELIVERED, "2.0.0"),
        (1, FAILED, "5.3.0"),
        (64, FAILED, "5.3.0"),
        (65, FAILED, "5.6.0"),
        (67, FAILED, "5.1.1"),
        (71, DEFERRED, "4.3.0"),
        (75, DEFERRED, "4.3.0"),
        (77, FAILED, "5.7.0"),
        (78, FAILED, "5.3.5"),
        (127, FAILED, "5.3.0"),
    ],
)
def test_an_exit_code_means_what_sysexits_says(
    code: int, disposition: Disposition, status: str
) -> None:
    outcome = ran(shell(f"echo so it is; exit {code}"))

    assert outcome.disposition is disposition
    assert outcome.reply.status == status
    assert outcome.reply.text == f"/bin/sh ended with {code}: so it is"


def test_who_ends_by_a_signal_is_run_again() -> None:
    outcome = ran(shell("kill -SEGV $$"))

    assert outcome.disposition is DEFERRED
    assert "signal 11" in outcome.reply.text


def test_who_takes_too_long_is_killed_and_in_doubt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may have done its work."""
    wait = Child.wait

    def once_begun(child: Child, limit: timedelta, clock: Clock) -> Ended:
        assert select.select([child._output], [], [], 30)[0]
        return wait(child, limit, clock)

    monkeypatch.setattr(Child, "wait", once_begun)
    outcome = ran(shell("echo begun; sleep 1000"), SOON)

    assert outcome.disposition is DEFERRED
    assert outcome.in_doubt
    assert "killed" in outcome.reply.text
    assert outcome.reply.text.endswith("begun")


def test_a_long_output_is_cut_and_cannot_play_with_a_terminal() -> None:
    said = ran(shell("printf 'a\\033[31m\\nb'; yes | head -c 99999; exit 75")).reply

    assert said.text.isprintable()
    assert len(said.text) <= 500


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("cat", "path from /"),
        ("", "path from /"),
        ("./cat", "path from /"),
        ("/bin/echo 'x", "No closing quotation"),
        ("/bin/echo \0", "NUL"),
    ],
)
def test_what_no_attempt_could_run_fails_at_once(command: str, why: str) -> None:
    outcome = ran(command)

    assert outcome.disposition is FAILED
    assert why in outcome.reply.text


@pytest.mark.parametrize("command", ["/nowhere/program", "/etc/passwd", "/tmp"])
def test_what_may_be_installed_later_waits(command: str) -> None:
    outcome = ran(f"{command} x")

    assert outcome.disposition is DEFERRED
    assert outcome.reply.text.startswith(f"{command}: ")


def test_each_recipient_has_a_run_and_an_outcome_of_its_own() -> None:
    mail = wanting(shell("exit 0"), shell("exit 75"), "cat", shell("exit 0"))

    outcomes = CommandTransport(SystemClock()).attempt(mail, alive)

    found = [each.disposition for each in outcomes]
    assert found == [DELIVERED, DEFERRED, FAILED, DELIVERED]


def test_a_stop_kills_what_runs_and_begins_nothing_else(tmp_path: Path) -> None:
    begun, never = tmp_path / "begun", tmp_path / "never"
    os.mkfifo(begun)
    transport = CommandTransport(SystemClock())
    mail = wanting(
        shell("exit 0"), shell(f"echo >{begun}; sleep 1000"), shell(f"echo >{never}")
    )

    def stop() -> None:
        begun.read_text()  # when the second has begun
        transport.abort()

    watcher = threading.Thread(target=stop)
    watcher.start()

    done, cut, rest = transport.attempt(mail, alive)

    watcher.join()
    assert done.disposition is DELIVERED
    assert (cut.disposition, cut.in_doubt) == (DEFERRED, True)
    assert (rest.disposition, rest.in_doubt) == (DEFERRED, False)
    assert not never.exists()


def test_after_a_stop_nothing_is_attempted() -> None:
    transport = CommandTransport(SystemClock())
    transport.abort()

    with pytest.raises(RouteError, match="stopped by us"):
        transport.attempt(wanting("/bin/true"), alive)


@pytest.mark.parametrize("runs", [0, 1])
@pytest.mark.parametrize("error", [StoreUnusable("out of descriptors"), MemoryError()])
def test_content_that_cannot_be_read_runs_nothing_twice(
    runs: int, error: Exception, tmp_path: Path
) -> None:
    left = iter([[b"x\n"]] * runs)

    def blocks() -> Iterator[bytes]:
        for octets in left:
            return iter(octets)
        raise error

    out = tmp_path / "out"
    mail = replace(wanting(*[shell(f"echo >>{out}")] * 2), content=blocks)
    transport = CommandTransport(SystemClock())

    if runs:
        outcomes = transport.attempt(mail, alive)
        assert [each.disposition for each in outcomes] == [DELIVERED, DEFERRED]
    else:
        with pytest.raises(type(error)):
            transport.attempt(mail, alive)
    assert out.exists() == bool(runs)


def test_a_command_gets_a_lists_mail_from_its_recipients_own_address(
    tmp_path: Path,
) -> None:
    """What it answers says whom it is about, as it would over the wire."""
    wanted = wanting(shell(f'(head -1; echo "$SENDER") >{tmp_path}/out'))
    envelope = replace(wanted.envelope, verp="+=")

    CommandTransport(SystemClock(), LONG).attempt(
        replace(wanted, envelope=envelope), alive
    )

    assert (tmp_path / "out").read_text().splitlines() == [
        "Return-Path: <alice+r0=example.net@example.org>",
        "alice+r0=example.net@example.org",
    ]
