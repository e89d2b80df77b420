# SPDX-License-Identifier: Apache-2.0
"""What a server takes verifies: it is signed as it goes out, and once."""

from dataclasses import replace
from pathlib import Path

import dkim
import pytest

from maildropd.config.dkim import DkimConfig
from maildropd.host.clock import SystemClock
from maildropd.mail.errors import RouteMisconfigured
from maildropd.mail.outcome import Disposition
from maildropd.relay.identity.dkim import DkimSigner
from maildropd.relay.session import Identity
from maildropd.relay.smtp import SmtpTransport
from tests.fakes.clock import FakeClock
from tests.fakes.dkim_keys import ED25519, keys, record, resolver
from tests.fakes.relay import alive, delivery, relay
from tests.fakes.smtp_server import EXTENSIONS, SmtpServer

HEADER = b"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: hi\r\n"
EIGHT_BIT = (
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nGr\xc3\xbc\xc3\x9fe\r\n"
)
PLAIN = b"\r\n.dots and\r\nwords\r\n"
WITHOUT_8BIT = tuple(each for each in EXTENSIONS if each != "8BITMIME")


def signing(server: SmtpServer, key: Path | None = None) -> SmtpTransport:
    section = DkimConfig(name="example.org", key_file=key or keys() / ED25519)
    who = Identity(
        config=relay(server, max_recipients=2),
        hostname="client.example",
        signer=DkimSigner([section], FakeClock()),
    )
    return SmtpTransport(who, SystemClock())


def verifies(content: bytes) -> bool:
    known = resolver({"default._domainkey.example.org": record(ED25519)})
    return bool(dkim.verify(content, dnsfunc=known))


@pytest.mark.parametrize("extensions", [EXTENSIONS, WITHOUT_8BIT])
@pytest.mark.parametrize("rest", [PLAIN, EIGHT_BIT], ids=["plain", "8bit"])
def test_what_arrives_verifies_whatever_was_converted(
    rest: bytes, extensions: tuple[str, ...]
) -> None:
    with SmtpServer(extensions=extensions) as server:
        way = signing(server)
        content = HEADER + rest
        way.attempt(
            replace(
                delivery(content=content), following=delivery(content=content, number=2)
            ),
            alive,
        )
        way.attempt(delivery(content=content, number=2), alive)
        way.close()

        assert len(server.delivered) == 2
        assert all(verifies(taken.content) for taken in server.delivered)
        if extensions is WITHOUT_8BIT:
            assert all(taken.content.isascii() for taken in server.delivered)


def test_a_large_message_is_signed_as_it_streams() -> None:
    with SmtpServer() as server:
        way = signing(server)
        way.attempt(delivery(content=HEADER + b"\r\n" + b"x\r\n" * 200_000), alive)
        way.close()

        [taken] = server.delivered
        assert verifies(taken.content)


def test_one_signature_serves_all_parts_and_its_size_is_told() -> None:
    paths = [f"r{number}@example.net" for number in range(5)]
    with SmtpServer() as server:
        way = signing(server)
        way.attempt(delivery(*paths, content=HEADER + PLAIN), alive)
        way.close()

        contents = {taken.content for taken in server.delivered}
        [content] = contents
        assert len(server.delivered) == 3
        assert verifies(content)
        for taken in server.delivered:
            [size] = [w for w in taken.mail.split() if w.startswith(b"SIZE=")]
            # The dot that SMTP adds is counted, too.
            assert int(size[5:]) == len(content) + 1


def test_mail_waits_for_a_key_that_is_gone_and_the_one_before_it_goes(
    tmp_path: Path,
) -> None:
    """An unsigned mail in the spam folder is worse than a late one."""
    key = tmp_path / "key"
    key.write_bytes((keys() / ED25519).read_bytes())
    key.chmod(0o600)
    with SmtpServer() as server:
        way = signing(server, key)
        first = delivery(content=HEADER + PLAIN)
        second = delivery(content=HEADER + PLAIN, number=2)
        key.unlink()
        with pytest.raises(RouteMisconfigured, match="key"):
            way.attempt(replace(first, following=second), alive)
        key.write_bytes((keys() / ED25519).read_bytes())
        key.chmod(0o600)
        [outcome] = way.attempt(first, alive)
        way.close()

        assert outcome.disposition is Disposition.DELIVERED
        assert len(server.delivered) == 1
