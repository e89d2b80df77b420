# SPDX-License-Identifier: Apache-2.0
"""Mails for a daemon whose host turns on it, and what became of them."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.fakes.actions import reply
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

LARGE = b"0123456789abcde\n" * (400_000 // 16)  # beyond what a row holds
NOT_NOW = reply("451 4.2.0 come again")
QUICK = "[queue]\nfirst_retry = 1s\nslowest_retry = 1s\n"
POLLS = "poll_interval = 500ms\n"


def small(name: str) -> bytes:
    return b"##To:%s@example.net\n##From:app@example.org\nSubject: %s\n\nhi\n" % (
        name.encode(),
        name.encode(),
    )


def large(name: str) -> bytes:
    return small(name) + LARGE


def put(daemon: DaemonProcess, names: Iterable[str], *, size: int = 0) -> None:
    """Drop a mail for each name."""
    for name in names:
        daemon.put(name, large(name) if size else small(name))


def names(start: str, count: int) -> list[str]:
    return [f"{start}{number}" for number in range(count)]


def arrived(server: SmtpServer) -> Counter[str]:
    """Return how often the server took a mail for each name."""
    paths = [path for taken in server.delivered for path in taken.recipients]
    return Counter(path.partition("@")[0] for path in paths)


def once(*groups: Iterable[str]) -> Counter[str]:
    """Return what ``arrived`` is when each mail came once."""
    return Counter(name for group in groups for name in group)


def waiting(daemon: DaemonProcess) -> set[str]:
    """Return what lies in the drop."""
    return {path.name for path in Path(daemon.drop).iterdir()}


def left_with(daemon: DaemonProcess, names: Iterable[str]) -> None:
    """Wait until nothing but these lies in the drop.

    A mail may be delivered a moment before its file goes.
    """
    left = set(names)
    daemon.until(lambda: waiting(daemon) == left, f"drop with {left}")


def took(count: int) -> Callable[[SmtpServer], bool]:
    return lambda server: len(server.delivered) >= count
