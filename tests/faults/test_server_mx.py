# SPDX-License-Identifier: Apache-2.0
"""Domains with servers of their own: found in DNS, tried in turn, each for itself."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fakes.actions import hang, reply
from tests.fakes.certificates import certificates
from tests.fakes.name_server import NXDOMAIN, SERVFAIL, Zone
from tests.fakes.smtp_server import EXTENSIONS, SmtpServer
from tests.faults.mx_net import ADDRESSES, MailNet
from tests.integration.daemon import DaemonProcess

MAIL = b"##To:%s\n##From:a@example.org\nSubject: hi\n\nA line.\n"
OURS = "[daemon]\nhostname = me.test\ndrain_timeout = 1s\n"
CONFIG = f"{OURS}[route out]\nrecipient = *\nmx = yes\n"
FIRST, SECOND, THIRD = ADDRESSES
SOON = 10.0  # seconds

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a namespace")


def zone() -> Zone:
    return {
        "two.test MX": ["20 second.test.", "10 first.test."],
        "plain.test A": [SECOND],
        "null.test MX": ["0 ."],
        "gone.test MX": NXDOMAIN,
        "ours.test MX": ["10 me.test.", "20 second.test."],
        "backup.test MX": ["10 second.test.", "20 me.test.", "30 first.test."],
        "lame.test MX": SERVFAIL,
        "silent.test MX": None,
        "dead.test MX": ["10 nowhere.test."],
        "first.test A": [FIRST],
        "second.test A": [SECOND],
    }


class World:
    """A daemon among the servers of others."""

    def __init__(
        self, net: MailNet, servers: dict[str, SmtpServer], home: Path
    ) -> None:
        self.net = net
        self.first, self.second, self.third = (servers[a] for a in ADDRESSES)
        self.daemon = DaemonProcess(home, 25, CONFIG)
        self.daemon.within = net.within()

    def send(self, *recipients: str) -> None:
        for recipient in recipients:
            self.daemon.put(recipient.strip("[]"), MAIL % recipient.encode())

    def got(self, server: SmtpServer) -> list[str]:
        return sorted(p for taken in server.delivered for p in taken.recipients)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        net = stack.enter_context(MailNet(tmp_path / "net", zone()))
        tls = certificates().server("wrong-name")
        servers = {
            FIRST: SmtpServer(listener=net.listeners[FIRST]),
            SECOND: SmtpServer(
                listener=net.listeners[SECOND], tls=tls, extensions=EXTENSIONS
            ),
            THIRD: SmtpServer(listener=net.listeners[THIRD]),
        }
        for server in servers.values():
            stack.enter_context(server)
        world = World(net, servers, tmp_path)
        stack.callback(world.daemon.stop)
        yield world


def test_each_domain_gets_its_mail_at_its_own_server(world: World) -> None:
    """Encrypted where that is offered, whatever name is in the certificate."""
    world.daemon.start()
    world.send("b@two.test", "b@plain.test", "b@backup.test", "b@[127.0.0.3]")

    world.daemon.wait_for("MessageDone", 4)

    assert world.got(world.first) == ["b@two.test"]
    assert world.got(world.second) == ["b@backup.test", "b@plain.test"]
    assert world.got(world.third) == ["b@[127.0.0.3]"]
    assert "starttls" in (verb.lower() for verb in world.second.verbs())
    relays = {e["MAILDROP_RELAY"] for e in world.daemon.of("RecipientDelivered")}
    assert relays == {
        "first.test:25",
        "plain.test:25",
        "second.test:25",
        "127.0.0.3:25",
    }


def test_who_takes_no_mail_fails_it_at_once_and_says_why(world: World) -> None:
    world.daemon.start()
    world.send("b@gone.test", "b@null.test", "b@ours.test")

    failed = world.daemon.wait_for("RecipientFailed", 3)

    assert {e["MAILDROP_RECIPIENT"]: e["MAILDROP_DSN"] for e in failed} == {
        "b@gone.test": "5.1.2",
        "b@null.test": "5.1.10",
        "b@ours.test": "5.4.6",
    }
    assert world.got(world.second) == []


@pytest.mark.parametrize("greeting", ["421 4.3.2 busy", "450 4.3.2 later"])
def test_the_second_server_is_tried_in_the_same_attempt(
    world: World, greeting: str
) -> None:
    world.first.on("banner", reply(greeting))
    world.daemon.start()
    world.send("b@two.test")

    [done] = world.daemon.wait_for("RecipientDelivered")

    assert done["MAILDROP_ATTEMPT"] == "1"
    assert world.got(world.second) == ["b@two.test"]
    assert world.daemon.of("DomainUnreachable") == []


@pytest.mark.parametrize("domain", ["lame.test", "silent.test", "dead.test"])
def test_trouble_with_one_domain_holds_up_no_other_and_bounces_nothing(
    world: World, domain: str
) -> None:
    """A mistake in somebody's zone; peers failed the mail, or all stood still."""
    world.daemon.start()
    world.send(f"b@{domain}")
    begun = time.monotonic()
    world.send("b@two.test", "b@plain.test")
    world.daemon.wait_for("MessageDone", 2)
    assert time.monotonic() - begun < SOON

    if domain != "silent.test":  # it is waited for, for half a minute
        [failed] = world.daemon.wait_for("DomainUnreachable")
        assert failed["MAILDROP_RELAY"] == domain
        listed = world.daemon.control("relays").stdout
        assert f"{domain}  " in listed
        assert "two.test" in listed
    assert world.daemon.of("RecipientFailed") == []
    assert world.daemon.of("RecipientDeferred") == []
    assert world.daemon.stop() == 0


def test_mail_goes_when_the_zone_is_mended(world: World) -> None:
    world.daemon.start()
    world.send("b@lame.test")
    world.daemon.wait_for("DomainUnreachable")

    world.net.zone["lame.test MX"] = ["10 first.test."]
    assert world.daemon.control("flush").returncode == 0
    world.daemon.wait_for("RouteRestored")
    world.daemon.wait_for("MessageDone")

    assert world.got(world.first) == ["b@lame.test"]


def test_a_server_that_hangs_holds_up_its_domain_only(world: World) -> None:
    world.first.on("banner", hang())
    world.daemon.start()
    world.send("b@two.test")
    world.first.wait(lambda server: server.connections == 1)

    begun = time.monotonic()
    world.send("b@plain.test", "c@plain.test")
    world.daemon.wait_for("MessageDone", 2)

    assert time.monotonic() - begun < SOON


def test_a_section_says_how_servers_are_spoken_to(world: World) -> None:
    """With tls_verify mail waits for a server that has no good certificate."""
    world.daemon.configure(
        f"{OURS}[queue]\nrelay = smarthost\n"
        "[relay strict]\ntls = required\n"
        f"tls_ca_file = {certificates().ca}\n"
        "[route out]\nrecipient = *\nmx = strict\n"
    )
    world.daemon.start()
    world.send("b@plain.test")

    [alarm] = world.daemon.wait_for("RouteAlarm")

    assert alarm["MAILDROP_RELAY"] == "plain.test"
    assert "certificate not accepted" in alarm["MESSAGE"]
    assert world.got(world.second) == []
