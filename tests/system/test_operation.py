# SPDX-License-Identifier: Apache-2.0
"""What an administrator does with the service, and what must come of it."""

from collections.abc import Iterator

import pytest

from maildropd.mail.events import RecipientDeferred, RecipientDelivered, RecipientFailed
from maildropd.mail.service_events import (
    ConfigRefused,
    ConfigReloaded,
    ServiceDraining,
    ServiceStopped,
)
from tests.fakes.actions import Peer, then, usual
from tests.fakes.smtp_server import SmtpServer
from tests.system.host import DROP, UNIT, Host
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import copies, mails
from tests.system.postfix import LATER, REFUSED, Postfix
from tests.system.wire import Wire

SCRIPTED = 2600


@pytest.fixture
def scripted(the_wire: Wire) -> Iterator[SmtpServer]:
    """A server at the far end of the wire that does as it is told."""
    with SmtpServer(listener=the_wire.far.listen(SCRIPTED)) as server:
        yield server


def dawdle(peer: Peer) -> None:
    peer.pause(5)


def write(host: Host, recipient: str, user: str = "alice") -> None:
    """Drop a short mail to somebody, from a shell."""
    text = f"From: {user}@drop.test\nTo: {recipient}\nSubject: hi\n\nhello\n"
    script = f'cat > "{DROP}/.hi.$$" && mv "{DROP}/.hi.$$" "{DROP}/hi.$$"'
    host.machine.run("sh", "-c", script, user=user, stdin=text)


def test_a_bad_configuration_is_refused_by_the_reload_and_the_daemon_goes_on(
    host: Host, smarthost: Postfix
) -> None:
    host.start()
    before = host.main_pid()

    host.configure("[queue]\ngive_up_aftr = 5d\n")
    reloaded = host.machine.attempt("systemctl", "reload", UNIT)
    host.drop(range(10))

    assert reloaded.returncode != 0
    (told,) = host.until_said(ConfigRefused.event_id)
    assert "give_up_after" in told["MESSAGE"], "the nearest right key"
    until(lambda: smarthost.count() >= copies(range(10)))
    assert host.machine.is_active(UNIT)
    assert host.main_pid() == before


def test_a_good_configuration_is_in_force_when_the_reload_returns(
    host: Host, smarthost: Postfix
) -> None:
    host.start()
    before = host.main_pid()
    host.drop(range(10))
    until(lambda: smarthost.count() >= copies(range(10)))

    host.configure(port="2525")
    host.machine.run("systemctl", "reload", UNIT)
    assert len(host.until_said(ConfigReloaded.event_id)) == 1
    host.drop(range(10, 20))

    until(lambda: smarthost.count() >= copies(range(20)))
    told = host.until_said(RecipientDelivered.event_id, count=copies(range(20)))
    relays = [entry["MAILDROP_RELAY"] for entry in told]
    assert set(relays[: copies(range(10))]) == {"smarthost.test:25"}
    assert set(relays[copies(range(10)) :]) == {"smarthost.test:2525"}
    assert host.main_pid() == before


def test_with_a_wrong_configuration_it_does_not_start_and_is_not_tried_again(
    host: Host,
) -> None:
    host.configure("[queu]\n")

    started = host.machine.attempt("systemctl", "start", UNIT)

    assert started.returncode != 0
    assert host.machine.unit(UNIT, "ExecMainStatus") == "78"
    assert host.machine.unit(UNIT, "ActiveState") == "failed"
    assert host.restarts() == 0


def test_stopped_under_load_it_drains_and_nothing_comes_twice(
    host: Host, smarthost: Postfix
) -> None:
    numbers = range(400)
    host.configure(wait_interval="50ms")
    host.start()

    with host.dropping(numbers):
        until(lambda: smarthost.count() >= 50)
        host.machine.run("systemctl", "stop", "maildropd.path", UNIT)
    at_rest = smarthost.count()
    assert at_rest < copies(numbers), "stopped too late to prove anything"
    assert host.machine.unit(UNIT, "Result") == "success"
    assert host.until_said(ServiceDraining.event_id)
    assert host.until_said(ServiceStopped.event_id)
    host.start()

    until(lambda: smarthost.count() >= copies(numbers))
    until(lambda: not host.queue())
    assert judge(mails(numbers), smarthost.mails()) == Verdict()


def test_a_drain_gets_more_time_than_the_unit_gives(
    host: Host, scripted: SmtpServer
) -> None:
    """The server takes its time over the final dot: 5 s, where the unit gives 2."""
    scripted.on("dot", then(dawdle, usual()))
    host.drop_in("impatient", "[Service]\nTimeoutStopSec=2s\n")
    host.configure(port=str(SCRIPTED), tls="none", tls_ca_file="")
    host.start()
    write(host, "bob@example.test")
    scripted.wait(lambda server: b"DATA\r\n" in server.heard)

    host.machine.run("systemctl", "stop", "maildropd.path", UNIT)

    assert host.machine.unit(UNIT, "Result") == "success"
    assert len(scripted.delivered) == 1
    assert host.queue() == []


def test_what_is_dropped_while_the_service_is_stopped_wakes_it(
    host: Host, smarthost: Postfix
) -> None:
    host.start()
    host.machine.run("systemctl", "stop", UNIT)
    assert not host.machine.is_active(UNIT)

    write(host, "bob@example.test")

    host.until_active()
    until(lambda: smarthost.count() == 1)


def test_the_service_is_locked_up_well(host: Host) -> None:
    for unit in UNIT, "maildropd@a.service":
        host.machine.run(
            "systemd-analyze", "security", "--no-pager", "--threshold=12", unit
        )


def test_two_instances_live_side_by_side(host: Host, smarthost: Postfix) -> None:
    for name, port in ("a", "25"), ("b", "2525"):
        host.configure(name=name, port=port)
        host.machine.run("systemctl", "enable", "-q", "--now", f"maildropd@{name}")

    host.drop(range(30), "/var/spool/maildrop-a/drop")
    host.drop(range(30, 60), "/var/spool/maildrop-b/drop")

    until(lambda: smarthost.count() >= copies(range(60)))
    assert judge(mails(range(60)), smarthost.mails()) == Verdict()
    for name, port in ("a", "25"), ("b", "2525"):
        unit = f"maildropd@{name}.service"
        told = host.until_said(RecipientDelivered.event_id, count=33, unit=unit)
        assert {entry["MAILDROP_RELAY"] for entry in told} == {f"smarthost.test:{port}"}
        status = host.ctl("--instance", name, "status")
        assert status
    host.machine.run(
        "systemctl", "disable", "-q", "--now", "maildropd@a", "maildropd@b"
    )


def test_what_is_refused_is_told_to_its_sender(host: Host, smarthost: Postfix) -> None:
    host.start()

    write(host, f"bob@example.test, {REFUSED}")

    until(lambda: smarthost.count() == 2)
    (told,) = host.until_said(RecipientFailed.event_id)
    (report,) = [each for each in smarthost.mails() if not each.sender]
    assert report.recipient == "alice@drop.test"
    assert report.field("Message-ID").startswith(f"<{told['MAILDROP_BOUNCE']}.")
    assert f"Final-Recipient: rfc822; {REFUSED}".encode() in report.content
    assert b"no such user here" in report.content
    assert b"bob@example.test" not in report.body.partition(b"Its header")[0]
    until(lambda: host.queue() == [])


def test_what_is_deferred_is_tried_again_alone(host: Host, smarthost: Postfix) -> None:
    host.start()

    write(host, f"bob@example.test, {LATER}")

    told = host.until_said(RecipientDeferred.event_id, count=3)
    assert [entry["MAILDROP_ATTEMPT"] for entry in told[:3]] == ["1", "2", "3"]
    assert {entry["MAILDROP_RECIPIENT"] for entry in told} == {LATER}
    assert smarthost.count() == 1
