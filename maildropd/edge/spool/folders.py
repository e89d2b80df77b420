# SPDX-License-Identifier: Apache-2.0
"""The directories of one spool, each of which has a thread of its own."""

from dataclasses import replace

from maildropd.config.model import Form, SpoolConfig, Watch


def folders(spool: SpoolConfig) -> tuple[SpoolConfig, ...]:
    """Return the spool once for each directory in which it has mail.

    In a Maildir whose programs only send, nothing ever comes to ``cur`` but
    what somebody moves there by hand.
    """
    if spool.form is Form.DROP:
        return (spool,)
    new, cur = spool.path / "new", spool.path / "cur"
    return replace(spool, path=new), replace(spool, path=cur, watch=Watch.POLL)


def loop(folder: SpoolConfig) -> str:
    """Return the name of the thread, and of what it promises."""
    part = "" if folder.form is Form.DROP else f"-{folder.path.name}"
    return f"spool-{folder.name}{part}"
