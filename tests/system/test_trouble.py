# SPDX-License-Identifier: Apache-2.0
"""What goes wrong around the daemon: nothing is lost, nobody has to help."""

from collections import Counter
from time import monotonic

from maildropd.mail.events import MessageDone, RecipientDelivered
from maildropd.mail.host_events import DescriptorsShort
from maildropd.mail.route_events import RouteFailed, RouteRestored
from maildropd.mail.service_events import ServiceReady, WatchDegraded
from tests.system.host import UNIT, Host
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import copies, mails
from tests.system.postfix import Postfix
from tests.system.wire import Wire

CONNECTIONS = 4
IN_FLIGHT = 6  # of a connection: three pairs, the last one on the wire
ASK_FOR_BOOT = (
    "import sqlite3; store = sqlite3.connect('/var/lib/maildropd/queue.db');"
    "print(store.execute('SELECT boot FROM clock').fetchone()[0])"
)
JOURNALD = (
    "systemd-journald.socket",
    "systemd-journald-dev-log.socket",
    "systemd-journald-audit.socket",
    "systemd-journald.service",
)
PROMPT = "[Service]\nRestartSec=100ms\n"


def kill_after(more: int, host: Host, smarthost: Postfix) -> None:
    """Kill the daemon when it has delivered some more; return when it is back."""
    so_far, restarts = smarthost.count(), host.restarts()
    until(lambda: smarthost.count() >= so_far + more)
    host.machine.run("systemctl", "kill", "--signal=KILL", UNIT)
    until(lambda: host.restarts() > restarts)
    host.until_active()


def test_killed_ten_times_under_load_it_loses_nothing_and_doubles_little(
    host: Host, smarthost: Postfix
) -> None:
    """Whose delivery is on record is never sent to again; only the rest may be."""
    numbers, kills = range(2000), 10
    host.drop_in("prompt", PROMPT)
    host.configure(wait_interval="15ms", max_connections=str(CONNECTIONS))
    host.start()

    with host.dropping(numbers):
        for _ in range(kills):
            kill_after(30, host, smarthost)
    assert smarthost.count() < copies(numbers), "killed too late to prove anything"
    host.configure()
    host.machine.run("systemctl", "reload", UNIT)
    until(lambda: not host.queue() and not host.dropped_files(), within=60)

    verdict = judge(mails(numbers), smarthost.mails())
    assert verdict == Verdict(doubled=verdict.doubled)
    assert verdict.doubled <= kills * CONNECTIONS * IN_FLIGHT
    ready = host.until_said(ServiceReady.event_id, count=kills + 1)
    assert len(ready) == kills + 1
    told = host.until_said(RecipientDelivered.event_id)
    recorded = Counter(entry["MAILDROP_RECIPIENT"] for entry in told)
    assert set(recorded.values()) == {1}


def test_when_it_hangs_the_watchdog_starts_it_anew(
    host: Host, smarthost: Postfix
) -> None:
    host.drop_in("watchdog", f"{PROMPT}WatchdogSec=2s\n")
    host.start()

    host.machine.run("systemctl", "kill", "--signal=STOP", UNIT)
    until(lambda: host.restarts() == 1)
    host.until_active()
    host.drop(range(10))

    until(lambda: smarthost.count() >= copies(range(10)))
    assert judge(mails(range(10)), smarthost.mails()) == Verdict()


def test_while_journald_stands_still_for_ten_seconds_mail_flows(
    host: Host, smarthost: Postfix
) -> None:
    """With a watchdog of 6 s: a daemon that waited for the journal would be killed."""
    numbers = range(600)  # more lines than the journal's socket holds
    host.drop_in("watchdog", "[Service]\nWatchdogSec=6s\n")
    host.start()
    before = host.main_pid()
    journald = host.machine.unit("systemd-journald.service", "MainPID")

    host.machine.run("kill", "-STOP", journald)
    try:
        stopped = monotonic()
        host.drop(numbers)
        until(lambda: smarthost.count() >= copies(numbers))
        until(lambda: monotonic() - stopped > 10, within=60)
    finally:
        host.machine.run("kill", "-CONT", journald)

    assert judge(mails(numbers), smarthost.mails()) == Verdict()
    assert (host.main_pid(), host.restarts()) == (before, 0)
    host.drop(range(600, 610))
    everybody = {mail.sender for mail in mails(range(610))}
    until(lambda: everybody <= host.senders())
    until(lambda: len(host.until_said(MessageDone.event_id)) == len(everybody))


def test_while_journald_is_stopped_mail_flows(host: Host, smarthost: Postfix) -> None:
    numbers = range(300)
    host.drop_in("watchdog", "[Service]\nWatchdogSec=6s\n")
    host.start()
    before = host.main_pid()

    host.machine.run("systemctl", "stop", *JOURNALD)
    try:
        host.drop(numbers)
        until(lambda: smarthost.count() >= copies(numbers))
    finally:
        host.machine.run("systemctl", "start", *JOURNALD)

    assert judge(mails(numbers), smarthost.mails()) == Verdict()
    assert (host.main_pid(), host.restarts()) == (before, 0)
    everybody = {mail.sender for mail in mails(numbers)}
    until(lambda: everybody <= host.senders())
    until(lambda: len(host.until_said(MessageDone.event_id)) == len(everybody))


def test_with_few_descriptors_it_makes_few_connections(
    host: Host, smarthost: Postfix
) -> None:
    """Its system call filter does not let it ask for the limit in the usual way."""
    numbers = range(100)
    host.drop_in("few", "[Service]\nLimitNOFILE=64\n")
    host.configure(max_connections="100")
    host.start()

    (short,) = host.until_said(DescriptorsShort.event_id)
    host.drop(numbers)
    until(lambda: smarthost.count() >= copies(numbers))

    assert int(short["MAILDROP_LIMIT"]) == 64
    assert "works" in host.ctl("status")
    assert judge(mails(numbers), smarthost.mails()) == Verdict()


def test_the_queue_knows_in_which_boot_its_time_is(host: Host) -> None:
    """By that a clock that is set while the service is down changes nothing."""
    host.start()
    kernels = host.machine.run("cat", "/proc/sys/kernel/random/boot_id")

    kept = host.machine.run("python3", "-c", ASK_FOR_BOOT)

    assert kept.strip() == kernels.strip().replace("-", "")


def test_a_smarthost_that_refuses_connections_is_waited_for(
    host: Host, smarthost: Postfix
) -> None:
    numbers = range(50)
    smarthost.down()
    host.start()

    host.drop(numbers)
    (told,) = host.until_said(RouteFailed.event_id)
    until(lambda: len(host.queue()) == len(numbers))
    smarthost.up()

    until(lambda: smarthost.count() >= copies(numbers))
    assert "refused" in told["MAILDROP_REPLY"].lower()
    assert judge(mails(numbers), smarthost.mails()) == Verdict()
    assert host.until_said(RouteRestored.event_id)


def test_a_smarthost_behind_a_cut_wire_is_waited_for(
    host: Host, smarthost: Postfix, the_wire: Wire
) -> None:
    """Packets vanish: nobody says no, only time passes."""
    numbers = range(50)
    host.configure(connect_timeout="1s", command_timeout="2s", greeting_timeout="2s")
    host.start()
    host.drop(range(10))
    until(lambda: smarthost.count() >= copies(range(10)))

    the_wire.cut()
    try:
        host.drop(range(10, 50))
        assert host.until_said(RouteFailed.event_id)
    finally:
        the_wire.mend()

    until(lambda: smarthost.count() >= copies(numbers))
    until(lambda: not host.queue())
    assert judge(mails(numbers), smarthost.mails()) == Verdict()


def test_where_the_kernel_refuses_inotify_the_spool_is_polled(
    host: Host, smarthost: Postfix
) -> None:
    numbers = range(20)
    host.drop_in("deny", "[Service]\nSystemCallFilter=~inotify_init inotify_init1\n")
    host.configure("[spool drop]\npoll_interval = 500ms\nsettle_time = 1s\n")
    host.start()

    assert host.until_said(WatchDegraded.event_id)
    host.drop(numbers)

    until(lambda: smarthost.count() >= copies(numbers))
    assert judge(mails(numbers), smarthost.mails()) == Verdict()
