# SPDX-License-Identifier: Apache-2.0
"""What a client says of its content in advance, and whether it came like that.

SMTP has no checksum: an octet that is lost on the way, or within a client, is
lost for good once somebody has said 250.
"""

import hashlib
from collections.abc import Callable

from maildropd.mail.errors import Malformed


class Seal:
    """The SHA-256 of one content, as it is without doubled dots."""

    def __init__(self, sha256: str) -> None:
        """Take what was said; if nothing was, nothing is checked."""
        self._said = sha256
        self._found = hashlib.sha256() if sha256 else None

    def over(self, write: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Return what takes the content on its way there."""
        found = self._found
        if found is None:
            return write

        def sealed(octets: bytes) -> None:
            found.update(octets)
            write(octets)

        return sealed

    def check(self) -> None:
        """Raise ``Malformed`` if another content came than was said."""
        if self._found is not None and self._found.hexdigest() != self._said:
            raise Malformed("this is not the content that XSHA256 speaks of")
