# SPDX-License-Identifier: Apache-2.0
"""What signs a message on its way out, as the way out knows it."""

from collections.abc import Callable, Iterator
from typing import Protocol

from maildropd.relay.identity.dkim_body import NoHeader, apart, wire_lines


class Signer(Protocol):
    """Signs what goes over the wire; used by many threads at once."""

    def sign(self, header: bytes, body: Callable[[], Iterator[bytes]]) -> bytes:
        """Return the fields to put before a header, each with its CR LF.

        Both are what goes over the wire, with CR LF as line ends, but without
        the dots that SMTP adds: the header up to its empty line, the body
        behind that, yielded anew at each call, and not called if nobody signs
        mail of this author; then the fields are empty.  Raise
        ``RouteMisconfigured`` if a key cannot be had: the mail waits.
        """
        ...


def signature(signer: Signer, content: Callable[[], Iterator[bytes]]) -> bytes:
    """Return the same for a whole message, whatever its line ends are here."""
    try:
        header, _ = apart(wire_lines(content()))
    except NoHeader:
        return b""
    return signer.sign(header, lambda: apart(wire_lines(content()))[1])
