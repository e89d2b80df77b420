# SPDX-License-Identifier: Apache-2.0
"""A MaildropHost whose mail is to reach a developer alone, taken over by us."""

import os
from pathlib import Path

from maildropd.foreign.maildrophost.importing import imported
from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

OWNER, SOMEBODY_ELSE = 4321, 5432


def test_no_mail_of_an_old_spool_gets_out_whoever_left_it(
    daemon: DaemonProcess, server: SmtpServer, tmp_path: Path
) -> None:
    spools = [tmp_path / name for name in ("spool", "second")]
    for spool in spools:
        spool.mkdir()
        os.chown(spool, OWNER, -1)
    config = tmp_path / "config"
    config.write_text(
        f'MAILDROP_HOME="{tmp_path}"\n'
        f'MAILDROP_SPOOL="{spools[0]};{spools[1]}"\n'
        f'SMTP_HOST="127.0.0.1"\nSMTP_PORT={server.port}\n'
        "MAILDROP_INTERVAL=1\nMAILDROP_TLS=0\nMAILDROP_BATCH=0\nWAIT_INTERVAL=0.0\n"
        'MAILDROP_LOGIN=""\nMAILDROP_PASSWORD=""\nSUPERVISED_DAEMON=0\nDEBUG=0\n'
        'DEBUG_RECEIVER="dev@example.org"\n'
    )
    daemon.configure(f"{imported(config).config}\n[queue]\nrelay = maildrophost\n")
    daemon.start()

    for spool in spools:
        for uid in (OWNER, SOMEBODY_ELSE, 0):
            aside = spool / f".{uid}"
            aside.write_text("##To:customer@example.net\n##From:a@b.c\nX: y\n\nx\n")
            os.chown(aside, uid, -1)
            aside.rename(spool / str(100_000 + uid))
    daemon.wait_for("MessageDone", 6)

    assert [each.recipients for each in server.delivered] == [("dev@example.org",)] * 6
    for each in server.delivered:
        assert b"X-Original-To: customer@example.net\r\n" in each.content
