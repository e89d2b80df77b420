# SPDX-License-Identifier: Apache-2.0
"""The daemon signs what it sends, as the server gets it."""

from pathlib import Path

import dkim
import pytest

from tests.fakes.dkim_keys import RSA, keys, record, resolver
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess
from tests.integration.test_doors import sendmail

AUTHOR = "ann@example.org"
MESSAGE = (
    f"From: {AUTHOR}\nSubject: Grüße\n\nGrüße an alle, die hier herumstehen\n".encode()
)


@pytest.mark.parametrize("extensions", [("8BITMIME", "PIPELINING"), ("PIPELINING",)])
def test_what_arrives_is_verified_by_others(
    extensions: tuple[str, ...], tmp_path: Path
) -> None:
    """Where 8-bit text is converted, what it has become is signed."""
    config = (
        "[submission]\ncheck_senders = no\n"
        f"[dkim example.org]\nselector = s1\nkey_file = {keys() / RSA}\n"
    )
    known = resolver({"s1._domainkey.example.org": record(RSA)})
    with SmtpServer(extensions=extensions) as server:
        daemon = DaemonProcess(tmp_path, server.port, config).start()
        try:
            sendmail(daemon, "-f", AUTHOR, "bob@example.net", message=MESSAGE)
            daemon.wait_for("RecipientDelivered")
        finally:
            daemon.stop()

        [taken] = server.delivered
    assert taken.content.isascii() is ("8BITMIME" not in extensions)
    assert dkim.DKIM(taken.content).verify(dnsfunc=known)
