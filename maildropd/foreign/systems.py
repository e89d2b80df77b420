# SPDX-License-Identifier: Apache-2.0
"""Every system that we take over from: what can be read of it, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from maildropd.foreign import dma, msmtp, nullmailer, postfix, ssmtp
from maildropd.foreign.imported import Imported


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One of them; ``file`` is its configuration, in words."""

    file: str
    imported: Callable[[Path], Imported]


SYSTEMS: Mapping[str, System] = {
    "nullmailer": System(
        file="the folder /etc/nullmailer", imported=nullmailer.imported
    ),
    "msmtp": System(file="/etc/msmtprc", imported=msmtp.imported),
    "ssmtp": System(file="/etc/ssmtp/ssmtp.conf", imported=ssmtp.imported),
    "dma": System(file="/etc/dma/dma.conf", imported=dma.imported),
    "postfix": System(file="/etc/postfix/main.cf", imported=postfix.imported),
}
