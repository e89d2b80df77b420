# SPDX-License-Identifier: Apache-2.0
"""The daemon and its gateway, with all three doors, and who comes to them.

Who comes is nobody (65534), to whom root's rights are not given: he cannot
send in every name, and the log must say that it was he.
"""

import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from tests.fakes.smtp_peer import Taken
from tests.fakes.smtp_server import EXTENSIONS, SmtpServer
from tests.faults.door_talk import Answer, Mail, Talk, acting_as, by_sendmail, by_smtp
from tests.faults.input_stage import SOON, lean, memory
from tests.integration.daemon import HOME, DaemonProcess, command

UNIX, TCP, SENDMAIL = "unix", "tcp", "sendmail"
DOORS = (UNIX, TCP, SENDMAIL)
SMTP = (UNIX, TCP)
NOBODY = 65534
OTHER = 33  # www-data
CONFIG = (
    "[daemon]\nhostname = host.test\n"
    "[names]\naliases = aliases\n"
    "[submission]\nsocket = doors/submission\nsendmail_socket = doors/sendmail\n"
    "check_senders = no\n"
)
_LOOPBACK = "127.0.0.1"
_AS_SYSTEMD = (
    *("bash", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "${@:2}" 3<&"$1"', "bash"),
)
_DEADLINE = 20.0
_OF_THE_UNIT: Mapping[str, str] = {"MALLOC_ARENA_MAX": "2"}


class Stage:
    """The doors, and the questions that each case asks."""

    def __init__(
        self,
        daemon: DaemonProcess,
        server: SmtpServer,
        gateway: subprocess.Popen[bytes],
        port: int,
    ) -> None:
        self.daemon = daemon
        self.server = server
        self.gateway = gateway
        self.port = port
        self._numbers = count(1)

    def connect(self, door: str, uid: int = NOBODY) -> Talk:
        """Come to a door."""
        with acting_as(uid):
            if door == TCP:
                return Talk(socket.create_connection((_LOOPBACK, self.port), _DEADLINE))
            name = "submission" if door == UNIX else "sendmail"
            return Talk(_connected(self.daemon.folder / "doors" / name))

    def hand_over(self, door: str, mail: Mail, uid: int = NOBODY) -> Answer:
        """Hand mail over at a door, in its own way."""
        with self.connect(door, uid) as talk:
            return by_sendmail(talk, mail) if door == SENDMAIL else by_smtp(talk, mail)

    def good(self, door: str, uid: int = OTHER) -> Taken:
        """Hand over good mail, as somebody else; it arrives soon.

        All that the daemon had to tell before has come, too.
        """
        mail = Mail(content=b"Subject: good\r\n\r\nA line.\r\n", to=())
        path = self.hand_marked(door, mail, uid)
        taken = self.arrives(path)
        events = self.daemon.events
        self.daemon.until(
            lambda: any(e.get("MAILDROP_RECIPIENT") == path for e in reversed(events)),
            f"word of {path}",
        )
        return taken

    def told(self, event: str) -> int:
        """Return how many events of one kind tell of what was until now."""
        self.good(UNIX)
        return self.daemon.count(event)

    def hand_marked(self, door: str, mail: Mail, uid: int = NOBODY) -> str:
        """Hand mail over that is taken; return a last recipient, added to find it."""
        path = f"mark{next(self._numbers)}@example.net"
        marked = replace(mail, to=(*mail.to, path.encode()))
        answer = self.hand_over(door, marked, uid)
        assert answer.accepted, answer.words
        return path

    def arrives(self, path: str, seconds: float = SOON) -> Taken:
        """Wait for the mail to one recipient at the smarthost."""
        self.server.wait(lambda server: bool(_to(server, path)), seconds)
        (taken,) = _to(self.server, path)
        return taken

    def refused(self, reason: str) -> dict[str, str]:
        """Wait until the log says that somebody was refused for a reason."""

        def found() -> list[dict[str, str]]:
            events = self.daemon.of("SubmissionRefused")
            return [each for each in events if reason in each["MAILDROP_REASON"]]

        self.daemon.until(lambda: bool(found()), f"refusal: {reason}")
        return found()[-1]

    def names_the_culprit(self, reason: str, uid: int = NOBODY) -> None:
        """The log says who was refused, whatever door he came to."""
        assert self.refused(reason)["MAILDROP_SUBMITTER_UID"] == str(uid)

    @contextmanager
    def unharmed(self) -> Iterator[None]:
        """Hold what is promised of any neighbour.

        Neither process dies or grows, nothing is a bug of ours, and the next
        one at each door is served soon.
        """
        pids = (self.daemon.pid, self.gateway.pid)
        for door in DOORS:
            self.good(door)  # what is made once is there from here on
        with ExitStack() as stack:
            for pid in pids:
                stack.enter_context(lean(pid, memory(pid, "VmRSS")))
            yield
            for door in DOORS:
                self.good(door)
        assert self.gateway.poll() is None
        assert not self.daemon.of("InternalError")

    @contextmanager
    def nothing_taken(self) -> Iterator[None]:
        """Hold that no mail was made of what is said within."""
        before = self.told("MessageAccepted")
        yield
        self.good(UNIX)  # and with it, what came before has been seen
        self.good(TCP)
        self.daemon.wait_for("MessageAccepted", before + 2)
        assert self.daemon.count("MessageAccepted") == before + 2


@contextmanager
def opened(config: str = CONFIG) -> Iterator[Stage]:
    """Start both on an empty folder that others may pass through."""
    extensions = (*EXTENSIONS, "SMTPUTF8")
    with (
        tempfile.TemporaryDirectory(prefix="maildropd-doors-") as name,
        SmtpServer(extensions=extensions) as server,
    ):
        folder = Path(name)
        folder.chmod(0o711)
        daemon = DaemonProcess(folder, server.port, config)
        daemon.environment = dict(_OF_THE_UNIT)
        try:
            daemon.start()
            with (
                socket.create_server((_LOOPBACK, 0), backlog=1024) as held,
                _gateway(folder, held) as gateway,
            ):
                yield Stage(daemon, server, gateway, held.getsockname()[1])
        finally:
            daemon.stop()


def _connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_DEADLINE)
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


@contextmanager
def _gateway(folder: Path, held: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """Hand a socket over that listens already, as systemd does."""
    own = command("smtp")
    gateway = subprocess.Popen(
        [
            *_AS_SYSTEMD,
            str(held.fileno()),
            *own,
            "--socket",
            folder / "doors/submission",
        ],
        cwd=HOME,
        pass_fds=[held.fileno()],
    )
    try:
        yield gateway
    finally:
        gateway.terminate()
        gateway.wait(_DEADLINE)


def _to(server: SmtpServer, path: str) -> list[Taken]:
    return [taken for taken in server.delivered if path in taken.recipients]
