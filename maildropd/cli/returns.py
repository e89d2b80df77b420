# SPDX-License-Identifier: Apache-2.0
"""Whom an address is about that came back to a list (VERP)."""

from collections.abc import Iterator

from maildropd.cli.desk import Failed
from maildropd.cli.words import clean
from maildropd.mail.verp import decode, is_delimiters


def run(address: str, delimiters: str, sender: str) -> Iterator[str]:
    """Yield the list's address and the recipient's; raise ``Failed``."""
    if not is_delimiters(delimiters):
        raise Failed(clean(f"{delimiters}: two of - + = are needed"))
    origin = decode(address, delimiters, sender)
    if origin is None:
        raise Failed(clean(f"{address}: no recipient is in this address"))
    yield clean(origin.sender)
    yield clean(origin.recipient)
