# SPDX-License-Identifier: Apache-2.0
"""Which custom a spool has."""

from maildropd.config.model import Form, SpoolConfig
from maildropd.edge.spool.custom import Custom
from maildropd.edge.spool.door import Surroundings
from maildropd.edge.spool.drop import DropCustom
from maildropd.edge.spool.failing import Failing
from maildropd.edge.spool.maildir import MaildirCustom
from maildropd.edge.spool.rest import NextLook
from maildropd.edge.spool.sending import Sending
from maildropd.edge.spool.unfinished import Unfinished


def of(
    config: SpoolConfig, around: Surroundings, failing: Failing, next_look: NextLook
) -> Custom:
    """Return it."""
    if config.form is Form.DROP:
        return DropCustom(config.name, failing.locked)
    sending = Sending(config, around.journal, failing.rest, next_look)
    unfinished = Unfinished(config, around)
    return MaildirCustom(config.name, sending, failing.left, unfinished)
