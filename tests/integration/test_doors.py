# SPDX-License-Identifier: Apache-2.0
"""The ways in, with the real daemon behind them."""

import os
import signal
import smtplib
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.actions import reply
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import HOME, DaemonProcess

CLIENT = HOME / "maildropd/cli/sendmail.py"
KEY = "0123456789abcdef" * 2


def sendmail(
    daemon: DaemonProcess, *words: str, message: bytes = b"Subject: s\n\nhi\n"
) -> subprocess.CompletedProcess[bytes]:
    """Call the client as any program does."""
    environment = {
        **os.environ,
        "MAILDROP_RUN": str(daemon.folder / "run"),
        "MAILDROP_DROP": str(daemon.drop),
    }
    return subprocess.run(
        [sys.executable, "-IS", CLIENT, *words],
        input=message,
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )


def frame(*words: str, message: bytes = b"Subject: s\n\nhi\n") -> bytes:
    head = ["#!sendmail", KEY, str(len(words)), *words, ""]
    return "\0".join(head).encode() + b"%d\n%b0\n" % (len(message), message)


def carried(daemon: DaemonProcess, octets: bytes) -> bytes:
    """Speak to the socket as a client does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(daemon.folder / "run/sendmail"))
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def submission(daemon: DaemonProcess) -> smtplib.SMTP:
    """Connect to the socket for SMTP."""

    class Local(smtplib.SMTP):
        def _get_socket(self, *_: object) -> socket.socket:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(30)
            connection.connect(str(daemon.folder / "run/submission"))
            return connection

    return Local("local", local_hostname="client.test")


def arrived(server: SmtpServer, count: int) -> list[bytes]:
    server.wait(lambda server: len(server.delivered) >= count, 30)
    return [taken.content for taken in server.delivered]


def subjects(server: SmtpServer) -> set[bytes]:
    return {t.content.partition(b"Subject: ")[2][:2] for t in server.delivered}


def test_what_sendmail_takes_arrives_with_what_it_lacked(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    daemon.configure("[daemon]\nhostname = host.test\n")
    daemon.start()

    done = sendmail(daemon, "-i", "-F", "Ann Other", "bob@far.example", "root")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (content,) = arrived(server, 1)
    assert b'\r\nFrom: "Ann Other" <root@host.test>\r\n' in content
    for name in (b"Received: ", b"Date: ", b"Message-ID: <"):
        assert content.count(name) == 1
    assert content.endswith(b"Subject: s\r\n\r\nhi\r\n")
    assert set(server.delivered[0].recipients) == {"bob@far.example", "root@host.test"}
    (accepted,) = daemon.wait_for("MessageAccepted")
    assert accepted["MAILDROP_SUBMITTER"] == "sendmail"
    assert accepted["MAILDROP_SUBMITTER_UID"] == str(os.geteuid())


def test_one_mail_comes_of_a_frame_at_the_socket_and_in_the_drop(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    """A client that waited too long for our answer leaves the same in the drop."""
    daemon.start()
    octets = frame("sendmail", "-i", "bob@far.example")

    assert carried(daemon, octets) == b"0 "
    assert carried(daemon, octets) == b"0 "
    for name in ("one", "two"):
        hidden = daemon.drop / f".{name}"
        hidden.write_bytes(octets)
        hidden.rename(daemon.drop / name)
    daemon.wait_for("SubmissionRepeated", 3)

    assert len(arrived(server, 1)) == 1
    assert len(daemon.of("MessageAccepted")) == 1
    daemon.stop()  # what was taken is gone from the drop then
    assert list(daemon.drop.iterdir()) == []


def test_while_the_daemon_is_away_mail_waits_in_the_drop(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    assert sendmail(daemon, "bob@far.example").returncode == 0
    (left,) = daemon.drop.iterdir()
    assert left.read_bytes().startswith(b"#!sendmail\0")

    daemon.start()

    assert arrived(server, 1)[0].endswith(b"\r\n\r\nhi\r\n")
    (accepted,) = daemon.wait_for("MessageAccepted")
    assert accepted["MAILDROP_SUBMITTER"] == "sendmail"


def test_half_a_frame_is_no_mail(daemon: DaemonProcess, server: SmtpServer) -> None:
    daemon.start()
    octets = frame("sendmail", "bob@far.example")

    assert carried(daemon, octets[:-2]) == b""
    (daemon.drop / "cut").write_bytes(octets[:-2])
    daemon.wait_for("MessageQuarantined", 1)

    assert sendmail(daemon, "eve@far.example").returncode == 0
    assert len(arrived(server, 1)) == 1
    assert server.delivered[0].recipients == ("eve@far.example",)


@pytest.mark.parametrize(
    ("words", "message", "code", "said"),
    [
        (["-Z"], b"", 64, b"-Z is no option"),
        ([], b"", 64, b"no recipient"),
        (["-t"], b"Subject: x\n\n", 64, b"the header names none"),
        (["a b"], b"", 65, b"not an address"),
        (["-t"], b"To: @\n\n", 65, b"in the field to"),
        (["-bs"], None, None, None),
        (["x@far.example"], b"x" * 2_000_000, 69, b"message_size_limit"),
    ],
)
def test_what_cannot_be_sent_is_said_with_a_code(
    daemon: DaemonProcess,
    words: list[str],
    message: bytes | None,
    code: int | None,
    said: bytes | None,
) -> None:
    daemon.configure("[queue]\nmessage_size_limit = 1M\n")
    daemon.start()

    done = sendmail(daemon, *words, message=message or b"QUIT\r\n")

    if code is None:  # SMTP on standard input and output
        assert done.stdout.startswith(b"220 ")
        assert done.stdout.endswith(b"221 2.0.0 bye\r\n")
    else:
        assert done.returncode == code
        assert said in done.stderr if said else False


def test_a_reply_of_250_survives_a_kill(
    daemon: DaemonProcess, server: SmtpServer
) -> None:
    daemon.start()
    with submission(daemon) as smtp:
        for number in range(5):
            message = f"Subject: n{number}\r\n\r\n..x\r\n".encode()
            smtp.sendmail("a@b.example", ["c@far.example"], message)
        daemon.signal(signal.SIGKILL)
    daemon.wait()

    daemon.start()

    # The kill may have come before an outcome was on disk: that one comes twice.
    wanted = {b"n%d" % number for number in range(5)}
    server.wait(lambda server: subjects(server) >= wanted, 30)
    assert subjects(server) == wanted
    assert all(t.content.endswith(b"\r\n\r\n..x\r\n") for t in server.delivered)


def test_mailq_shows_what_waits(daemon: DaemonProcess, server: SmtpServer) -> None:
    server.on("rcpt", reply("451 4.7.1 come again"))
    daemon.start()
    sendmail(daemon, "bob@far.example")
    daemon.wait_for("RecipientDeferred", 1)

    done = sendmail(daemon, "-bp")

    assert done.returncode == 0
    assert b"bob@far.example" in done.stdout
    assert b"come again" in done.stdout
    assert b"in 1 request." in done.stdout


def test_tcp_goes_through_the_gateway(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    daemon.start()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = "import sys; from maildropd.cli.smtp import main; sys.exit(main())"
    notify = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(notify))
        ready.settimeout(30)
        gateway = subprocess.Popen(
            [
                *(sys.executable, "-c", code, "--listen", f"127.0.0.1:{port}"),
                *("--socket", str(daemon.folder / "run/submission")),
            ],
            cwd=HOME,
            env={**os.environ, "NOTIFY_SOCKET": str(notify)},
        )
        try:
            assert ready.recv(100) == b"READY=1"
            with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
                for _ in range(2):
                    smtp.sendmail("a@b.example", ["c@far.example"], b"\r\n\r\n.x\r\n")
                code_of = smtp.docmd("XCLIENT", "ADDR=::1")[0]
        finally:
            gateway.terminate()
            assert gateway.wait(30) == 0

    assert code_of == 550
    assert [each.endswith(b"\r\n\r\n.x\r\n") for each in arrived(server, 2)] == [
        True
    ] * 2
    (accepted, _) = daemon.wait_for("MessageAccepted", 2)
    assert accepted["MAILDROP_SUBMITTER_CLIENT"] == "127.0.0.1"
    assert accepted["MAILDROP_SUBMITTER_SURMISED"] == "yes"
    assert accepted["MAILDROP_SUBMITTER_UID"] == str(os.geteuid())


def test_a_stop_leaves_nobody_without_an_answer(daemon: DaemonProcess) -> None:
    daemon.start()
    with socket.socket(socket.AF_UNIX) as idle:
        idle.settimeout(30)
        idle.connect(str(daemon.folder / "run/submission"))
        assert idle.recv(100).startswith(b"220 ")
        daemon.stop()

        assert idle.recv(1000) == b"421 4.3.2 maildropd is stopping\r\n"
