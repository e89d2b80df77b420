# SPDX-License-Identifier: Apache-2.0
"""A full queue outlives the machine it lies on."""

from tests.system.host import UNIT, Host
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import copies, mails
from tests.system.postfix import Postfix

CONNECTIONS = 4
IN_FLIGHT = 6  # of a connection: three pairs, the last one on the wire
FULL = range(300)
LATE = range(300, 330)


def fill(host: Host, smarthost: Postfix) -> None:
    """Have mail in the queue, and more in the drop that nobody has taken yet."""
    smarthost.down()
    host.start()
    host.drop(FULL)
    until(lambda: len(host.queue()) == len(FULL))
    host.machine.run("systemctl", "stop", "maildropd.path", UNIT)
    host.drop(LATE)


def test_a_reboot_with_a_full_queue_loses_and_doubles_nothing(
    host: Host, smarthost: Postfix
) -> None:
    fill(host, smarthost)

    host.machine.reboot()
    host.until_active()
    until(lambda: len(host.queue()) == len(FULL) + len(LATE))
    smarthost.up()

    numbers = range(FULL.start, LATE.stop)
    until(lambda: smarthost.count() >= copies(numbers), within=90)
    until(lambda: not host.queue())
    assert judge(mails(numbers), smarthost.mails()) == Verdict()


def test_a_machine_that_goes_off_at_once_loses_nothing(
    host: Host, smarthost: Postfix
) -> None:
    """Every process dies in the same instant, the daemon in the midst of its work."""
    host.configure(wait_interval="20ms")
    host.start()
    host.drop(FULL)
    until(lambda: smarthost.count() >= 30)

    host.machine.cut_power()
    host.machine.boot()
    host.configure()

    until(lambda: smarthost.count() >= copies(FULL))
    until(lambda: not host.queue() and not host.dropped_files())
    verdict = judge(mails(FULL), smarthost.mails())
    assert verdict == Verdict(doubled=verdict.doubled)
    assert verdict.doubled <= CONNECTIONS * IN_FLIGHT
