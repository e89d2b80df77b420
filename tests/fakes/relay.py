# SPDX-License-Identifier: Apache-2.0
"""What a transport is given: a relay with short patience, and something to carry."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from maildropd.config.relay import RelayConfig, Tls
from maildropd.host.clock import SystemClock
from maildropd.mail.envelope import Envelope, QueueId, Submitter
from maildropd.relay.base import Delivery
from maildropd.relay.identity.login import Login
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from tests.fakes.smtp_server import SmtpServer

CONTENT = b"Subject: hello\n\nHow do you do?\n"
SOON = timedelta(seconds=1)  # a limit that is meant to run out
LONG = timedelta(seconds=20)  # a limit that is not
ARRIVED = datetime.now(UTC)  # one moment: the same message arrives once


def relay(server: SmtpServer, **changes: Any) -> RelayConfig:
    """Return a relay section for a server, in clear unless told else."""
    limits = (
        "connect_timeout",
        "greeting_timeout",
        "command_timeout",
        "data_timeout",
        "final_timeout",
    )
    words: dict[str, Any] = dict.fromkeys(limits, LONG)
    words |= {"host": "127.0.0.1", "port": server.port, "tls": Tls.NONE}
    return RelayConfig(name="smarthost", **(words | changes))


def transport(
    server: SmtpServer, login: Login | None = None, **changes: Any
) -> SmtpTransport:
    """Return a transport to a server."""
    config = relay(server, **changes)
    who = Identity(config=config, hostname="client.example", login=login)
    return SmtpTransport(who, SystemClock())


def delivery(
    *recipients: str,
    content: bytes = CONTENT,
    sender: str | None = "alice@example.org",
    number: int = 1,
) -> Delivery:
    """Return a message on its way."""

    def blocks() -> Iterator[bytes]:
        for start in range(0, len(content), 65536):
            yield content[start : start + 65536]

    return Delivery(
        envelope=Envelope(
            queue_id=QueueId(f"{number:012}"),
            reverse_path=sender,
            arrived=ARRIVED,
            size=len(content),
            submitter=Submitter(name="spool=drop"),
        ),
        recipients=recipients or ("bob@example.net",),
        content=blocks,
    )


def alive(limit: timedelta) -> None:
    """Be content with any time limit, if it is one."""
    assert limit > timedelta(0)
