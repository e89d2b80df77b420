# SPDX-License-Identifier: Apache-2.0
"""Twenty messages of 25 MB at once, and little memory."""

import hashlib
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.host_sink import Sink
from tests.integration.daemon import DaemonProcess

MB = 1024 * 1024
NUMBER = 20
HEAD = b"##To:r@example.net\n##From:a@example.org\n"
LINE = b"x" * 98 + b"\n"
LINES = 24_900_000 // 99


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(pause=0.2) as sink:
        yield sink


@pytest.fixture
def daemon(tmp_path: Path, sink: Sink) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path, sink.port)
    path = tmp_path / "maildropd.conf"
    path.write_text(path.read_text().replace("tls =", "max_connections = 20\ntls ="))
    yield daemon
    daemon.stop()
    for left in (*tmp_path.glob("drop/.m*"), *tmp_path.glob("state/content/*")):
        left.unlink()


def left_at_once(daemon: DaemonProcess, number: int = NUMBER) -> set[str]:
    """Leave large messages together; return their digests as the sink makes them."""
    digests = set()
    for each in range(number):
        subject = b"Subject: %d\n\n" % each
        with (daemon.drop / f".m{each}").open("wb") as file:
            file.write(HEAD + subject)
            file.writelines([LINE * 1000] * (LINES // 1000))
        body = (LINE * 1000).replace(b"\n", b"\r\n")
        digest = hashlib.sha256(subject.replace(b"\n", b"\r\n"))
        for _ in range(LINES // 1000 - 1):
            digest.update(body)
        digest.update(body[:-2])  # the last line end belongs to the final dot
        digests.add(digest.hexdigest())
    for each in range(number):
        (daemon.drop / f".m{each}").rename(daemon.drop / f"m{each}")
    return digests


def warm(daemon: DaemonProcess) -> None:
    """Deliver a first small mail, as a daemon has that is idle."""
    daemon.start()
    daemon.put("first", HEAD + b"Subject: first\n\nfirst\n")
    daemon.wait_for("MessageDone")


def memory(daemon: DaemonProcess, what: str) -> int:
    """Return a line of the kernel's word on the daemon's memory, in octets."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(status.split(f"{what}:")[1].split()[0]) * 1024


def lives(daemon: DaemonProcess) -> bool:
    return "Z" not in Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1]


def test_large_mail_takes_no_more_memory_than_small(
    daemon: DaemonProcess, sink: Sink
) -> None:
    """Twenty connections to a slow relay, within 20 MB of idle; and a limit holds."""
    warm(daemon)
    idle = memory(daemon, "VmRSS")
    limit = memory(daemon, "VmData") + 20 * MB
    resource.prlimit(daemon.pid, resource.RLIMIT_DATA, (limit, limit))

    digests = left_at_once(daemon)
    sink.wait(NUMBER + 1, 60)
    daemon.wait_for("MessageDone", NUMBER + 1)

    assert memory(daemon, "VmHWM") - idle < 20 * MB
    assert digests < set(sink.taken)
    assert set(sink.taken.values()) == {1}
    daemon.until(lambda: not list(daemon.drop.iterdir()), "empty drop")
    assert daemon.of("RecipientDeferred") == daemon.of("InternalError") == []


def test_where_memory_runs_out_the_mail_is_kept(
    daemon: DaemonProcess, sink: Sink
) -> None:
    """Each step may fail; when there is memory again, it goes on, or is restarted."""
    with (daemon.folder / "maildropd.conf").open("a") as config:
        config.write("poll_interval = 2s\n")
    warm(daemon)
    usual = resource.prlimit(daemon.pid, resource.RLIMIT_DATA)
    limit = memory(daemon, "VmData") - 20 * MB
    resource.prlimit(daemon.pid, resource.RLIMIT_DATA, (limit, usual[1]))

    digests = left_at_once(daemon, 4)
    small = [HEAD + b"Subject: s%d\n\ns\n" % each for each in range(200)]
    for each, mail in enumerate(small):
        daemon.put(f"s{each}", mail)
    answer = daemon.control("status")
    told = [event["MESSAGE"] for event in daemon.events if "memory" in str(event)]
    if lives(daemon):
        resource.prlimit(daemon.pid, resource.RLIMIT_DATA, usual)
        daemon.control("flush")
    else:
        daemon.start()
    daemon.until(lambda: not list(daemon.drop.iterdir()), "empty drop")
    sink.wait(205, 60)

    assert answer.returncode in (0, 1)
    assert told, "nothing ran out of memory, or nobody said so"
    assert len(told) < 50
    assert digests < set(sink.taken)
    assert daemon.of("RecipientFailed") == daemon.of("RecipientExpired") == []
