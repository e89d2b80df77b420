# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process: a folder, a scripted smarthost, signals and kills."""

import re
import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.fakes.actions import hang, reply, then, usual
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

MAIL = b"##To:%s\n##From:app@example.org\nSubject: %s\n\nA line.\n.\n..dots\n"


def mail(number: int) -> bytes:
    return MAIL % (b"r%d@example.net" % number, b"n%d" % number)


def took(count: int) -> Callable[[SmtpServer], bool]:
    """Return a question: has it taken so many?"""
    return lambda server: len(server.delivered) >= count


def arrived(server: SmtpServer) -> Counter[str]:
    return Counter(path for taken in server.delivered for path in taken.recipients)


def test_a_mail_left_before_the_start_is_delivered_octet_by_octet(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    daemon.put("100001", mail(1))

    daemon.start()
    daemon.wait_for("MessageDone")

    (taken,) = server.delivered
    assert taken.content == b"Subject: n1\r\n\r\nA line.\r\n.\r\n..dots\r\n"
    daemon.until(lambda: not list(daemon.drop.iterdir()), "empty drop")


def test_the_life_of_a_message_can_be_followed_by_its_queue_id(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    server.on("rcpt", reply("451 4.2.0 busy"), matching="r1@", times=1)
    daemon.configure("[queue]\nfirst_retry = 1s\n")
    daemon.start()
    daemon.put("100001", mail(1))
    daemon.wait_for("MessageDone")

    name = daemon.of("MessageAccepted")[0]["MAILDROP_QUEUE_ID"]
    life = [e for e in daemon.events if e.get("MAILDROP_QUEUE_ID") == name]

    assert [each["MESSAGE"].split("status=")[-1].split(" (")[0] for each in life][
        1:3
    ] == ["deferred", "delivered"]
    assert life[1]["MAILDROP_DSN"] == "4.2.0"
    assert life[-1]["MESSAGE"] == f"{name}: removed"


def test_a_smarthost_that_comes_up_late_gets_the_mail(tmp_path: Path) -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))  # nobody else gets the port meanwhile
    daemon = DaemonProcess(tmp_path, listener.getsockname()[1])
    daemon.start()
    try:
        daemon.put("100001", mail(1))
        daemon.wait_for("RouteFailed")

        listener.listen()
        with SmtpServer(listener=listener) as late:
            daemon.wait_for("MessageDone")
            assert arrived(late) == {"r1@example.net": 1}
    finally:
        daemon.stop()


def test_kill_9_under_load_loses_nothing_and_doubles_only_what_was_in_flight(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    daemon.configure("[relay smarthost]\nmax_connections = 2\n")
    total, kills = 300, 5
    in_flight = 2 * 3 * 2  # connections, groups not yet on disk, mails in each
    for number in range(total):
        daemon.put(str(100000 + number), mail(number))

    for kill in range(kills):
        daemon.start()
        enough = (kill + 1) * total // (kills + 2)
        server.wait(took(enough))
        daemon.kill()
    daemon.start()
    daemon.until(
        lambda: len(arrived(server)) == total and not list(daemon.drop.iterdir()),
        "all mail",
    )
    assert daemon.stop() == 0

    copies = arrived(server)
    assert set(copies) == {f"r{number}@example.net" for number in range(total)}
    assert sum(copies.values()) - total <= kills * in_flight


def test_a_bad_configuration_is_refused_and_the_daemon_goes_on(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    daemon.start()
    daemon.configure("[queue]\nfirst_rety = 5min\n")

    refused = daemon.control("reload")

    assert refused.returncode == 1
    assert "first_retry" in refused.stderr
    assert re.search(r"maildropd\.conf:\d+: ", refused.stderr)
    daemon.put("100001", mail(1))
    daemon.wait_for("MessageDone")


def test_a_reload_moves_queued_mail_to_the_new_smarthost(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    with SmtpServer() as other:
        server.on("rcpt", reply("451 4.3.2 closed"))
        daemon.start()
        daemon.put("100001", mail(1))
        daemon.wait_for("RecipientDeferred")

        daemon.port = other.port
        daemon.configure()
        assert daemon.control("reload").returncode == 0
        assert daemon.control("flush").returncode == 0
        daemon.wait_for("MessageDone")

        assert arrived(other) == {"r1@example.net": 1}


def test_sighup_reloads(daemon: DaemonProcess) -> None:
    daemon.start()

    daemon.signal(signal.SIGHUP)

    daemon.wait_for("ConfigReloaded")


def test_sigterm_finishes_the_mail_on_the_wire(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    server.on("dot", then(lambda peer: peer.pause(1.0), usual()), times=1)
    daemon.start()
    daemon.put("100001", mail(1))
    server.wait(lambda s: any(line.startswith(b"DATA") for line in s.heard))

    assert daemon.stop() == 0

    assert arrived(server) == {"r1@example.net": 1}
    assert daemon.of("MessageDone")
    assert daemon.events[-1]["MESSAGE"].startswith("stopped")


def test_a_second_sigterm_does_not_wait_for_a_server_that_hangs(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    server.on("data", hang())
    daemon.configure("[daemon]\ndrain_timeout = 1h\n")
    daemon.start()
    daemon.put("100001", mail(1))
    server.wait(lambda s: any(line.startswith(b"DATA") for line in s.heard))

    daemon.signal(signal.SIGTERM)
    daemon.wait_for("ServiceDraining")
    daemon.signal(signal.SIGTERM)

    assert daemon.wait() == 0
    server.forget()
    daemon.start()
    daemon.wait_for("MessageDone")
    assert arrived(server) == {"r1@example.net": 1}


def test_two_daemons_cannot_share_a_store(daemon: DaemonProcess) -> None:
    daemon.start()

    second = daemon.another()

    assert second.returncode == 1
    assert "another maildropd" in second.stderr


def test_a_daemon_that_cannot_listen_to_operators_touches_no_mail(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    """It delivered some at each try to start, and remembered nothing of it."""
    (daemon.folder / "run" / "control").mkdir(parents=True)
    daemon.put("100001", mail(1))

    ended = daemon.another()

    assert ended.returncode == 1
    assert f"{daemon.folder}/run/control" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(list(daemon.drop.iterdir())) == 1
    assert not server.delivered


def test_sighup_while_it_stops_starts_nothing_anew(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    server.on("data", hang())
    daemon.start()
    daemon.put("100001", mail(1))
    server.wait(lambda s: any(line.startswith(b"DATA") for line in s.heard))
    daemon.signal(signal.SIGTERM)
    daemon.wait_for("ServiceDraining")

    daemon.signal(signal.SIGHUP)
    daemon.signal(signal.SIGTERM)

    assert daemon.wait() == 0
    assert not daemon.of("ConfigReloaded")
