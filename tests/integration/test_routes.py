# SPDX-License-Identifier: Apache-2.0
"""The daemon sends each recipient the way that the routes say, and moves what waits."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.actions import reply
from tests.fakes.certificates import certificates
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

MAIL = b"##To:%s\n##From:a@example.org\nSubject: hi\n\nA line.\n"
BOTH = """
[queue]
relay = smarthost
[relay other]
host = 127.0.0.1
port = {port}
tls = none
"""
FIRST_THEN_OTHER = BOTH + "[route all]\nrecipient = *\nrelay = smarthost, other\n"


@pytest.fixture
def other() -> Iterator[SmtpServer]:
    """Serve as another relay."""
    with SmtpServer() as server:
        yield server


def put(daemon: DaemonProcess, *recipients: str) -> None:
    for number, recipient in enumerate(recipients):
        daemon.put(f"{recipient}{number}", MAIL % recipient.encode())


def arrived(server: SmtpServer) -> list[str]:
    return sorted(path for taken in server.delivered for path in taken.recipients)


def test_each_recipient_goes_the_way_of_the_first_route_that_fits(
    daemon: DaemonProcess, server: SmtpServer, other: SmtpServer, tmp_path: Path
) -> None:
    daemon.configure(
        BOTH.format(port=other.port)
        + "[route gone]\nrecipient = gone@\nerror = 550 5.1.1 no such user here\n"
        + "[route later]\nrecipient = later@\nerror = 450 4.2.0 come again\n"
        + "[route away]\nrecipient = away.example\ndiscard = yes\n"
        + "[route box]\nrecipient = /^box-.*@/\ncapture = box\n"
        + "[route in]\nrecipient = .inside.example\nrelay = other\n"
    )
    daemon.start()

    put(daemon, "gone@x.example", "later@x.example", "b@away.example")
    put(daemon, "box-1@x.example", "b@a.inside.example", "b@x.example")
    daemon.wait_for("MessageDone", 6)  # one tells the sender
    [gone] = daemon.wait_for("RecipientFailed")
    [later] = daemon.wait_for("RecipientDeferred")

    told = "a@example.org"  # that there is no such user
    assert [each for each in arrived(server) if each != told] == ["b@x.example"]
    assert arrived(other) == ["b@a.inside.example"]
    assert len(os.listdir(tmp_path / "box" / "new")) == 1
    said = {e["MAILDROP_RECIPIENT"]: e for e in daemon.of("RecipientDelivered")}
    assert said["b@away.example"]["MAILDROP_RELAY"] == "discard:away"
    assert "discarded by [route away]" in said["b@away.example"]["MESSAGE"]
    assert (gone["MAILDROP_RELAY"], gone["MAILDROP_DSN"]) == ("error:gone", "5.1.1")
    assert "no such user here (refused by [route gone])" in gone["MESSAGE"]
    assert (later["MAILDROP_RELAY"], later["MAILDROP_DSN"]) == ("error:later", "4.2.0")


def test_mail_for_a_dead_relay_goes_by_another_when_the_configuration_says_so(
    daemon: DaemonProcess, server: SmtpServer, other: SmtpServer
) -> None:
    """Peers had the way in the envelope, and their users moved files by hand."""
    server.__exit__()
    daemon.start()
    put(daemon, "one@x.example", "two@x.example")
    daemon.wait_for("RouteFailed")

    daemon.configure(
        BOTH.format(port=other.port) + "[route x]\nrecipient = x.example\nrelay=other\n"
    )
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("MessageDone", 2)

    assert arrived(other) == ["one@x.example", "two@x.example"]


def test_capture_all_keeps_in_what_is_queued_already(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    """A copy of production was started for a test, and mailed its customers."""
    server.on("mail", reply("450 4.3.0 later"))
    daemon.start()
    put(daemon, "customer@x.example")
    daemon.wait_for("RecipientDeferred")

    daemon.configure("[queue]\ncapture_all = box\n")
    assert daemon.control("reload").returncode == 0
    assert daemon.control("flush").returncode == 0
    put(daemon, "other@x.example")
    daemon.wait_for("MessageDone", 2)

    assert arrived(server) == []
    assert len(os.listdir(tmp_path / "box" / "new")) == 2
    assert daemon.of("DescriptorsShort") == []


def test_the_second_relay_takes_over_at_once_and_gives_back(
    daemon: DaemonProcess, server: SmtpServer, other: SmtpServer
) -> None:
    server.on("banner", reply("421 4.3.2 closing"))
    daemon.configure(FIRST_THEN_OTHER.format(port=other.port))
    daemon.start()

    put(daemon, *(f"r{number}@x.example" for number in range(20)))
    daemon.wait_for("MessageDone", 20)
    assert len(arrived(other)) == 20
    told = daemon.control("relays").stdout
    assert f"smarthost (127.0.0.1:{server.port})  fails for" in told
    assert f"other (127.0.0.1:{other.port})" in told

    server.forget()
    done = 20
    while not daemon.of("RouteRestored"):
        done += 1
        put(daemon, f"n{done}@x.example")
        daemon.wait_for("MessageDone", done)
    put(daemon, "last@x.example")
    daemon.wait_for("MessageDone", done + 1)

    assert "last@x.example" in arrived(server)
    assert len(daemon.of("RouteFailed")) == 1


def unwilling(trouble: str) -> SmtpServer:
    """Return a server that takes nothing of ours."""
    if trouble == "not allowed":
        server = SmtpServer()
        server.on("rcpt", reply("554 5.7.1 sender not allowed"))
        return server
    kind = "expired" if trouble == "certificate" else "good"
    return SmtpServer(tls=certificates().server(kind), users={"a": "right"})


def prefer(daemon: DaemonProcess, server: SmtpServer, other: SmtpServer) -> None:
    """Have all mail go to one, with a wrong password, and else to the other."""
    secret = daemon.folder / "secret"
    secret.write_text("wrong")
    secret.chmod(0o600)
    daemon.port = server.port
    daemon.configure(FIRST_THEN_OTHER.format(port=other.port))
    words = f"tls = required\ntls_ca_file = {certificates().ca}\n"
    words += f"username = a\npassword_file = {secret}\n"
    if server.manners.tls:
        config = daemon.folder / "maildropd.conf"
        config.write_text(config.read_text().replace("tls = none\n", words, 1))


@pytest.mark.parametrize("trouble", ["password", "certificate", "not allowed"])
def test_a_relay_that_wants_nothing_of_ours_is_one_alarm_and_no_bounce(
    daemon: DaemonProcess, other: SmtpServer, trouble: str
) -> None:
    """The second relay has the mail, and a person has the word."""
    with unwilling(trouble) as server:
        prefer(daemon, server, other)
        daemon.start()

        put(daemon, *(f"r{number}@x.example" for number in range(20)))
        [alarm] = daemon.wait_for("RouteAlarm")
        put(daemon, "next@x.example")
        daemon.until(lambda: "next@x.example" in arrived(other), "next mail")
        if trouble != "not allowed":  # where the first ones wait for their second try
            daemon.wait_for("MessageDone", 21)

        assert alarm["MAILDROP_RELAY"] == f"127.0.0.1:{server.port}"
        assert alarm["PRIORITY"] == "1"
        assert len(daemon.of("RouteAlarm")) == 1
        assert daemon.of("RecipientFailed") == []
        assert "refuses for" in daemon.control("relays").stdout


def test_lmtp_at_a_socket_takes_mail(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "lmtp"))
    listener.listen()
    daemon.configure(
        "[queue]\nrelay = smarthost\n[relay box]\nprotocol = lmtp\nsocket = lmtp\n"
        "[route in]\nrecipient = inside.example\nrelay = box\n"
    )
    with SmtpServer(listener=listener) as box:
        daemon.start()
        put(daemon, "bob@inside.example", "bob@x.example")
        daemon.wait_for("MessageDone", 2)

        assert arrived(box) == ["bob@inside.example"]
        assert box.verbs()[0] == "lhlo"
    assert arrived(server) == ["bob@x.example"]
    relays = {e["MAILDROP_RELAY"] for e in daemon.of("RecipientDelivered")}
    assert f"unix:{tmp_path}/lmtp" in relays
