# SPDX-License-Identifier: Apache-2.0
"""What was seen of the text of one part, and how it would best be encoded."""

import codecs
import re
from collections.abc import Callable, Mapping
from enum import StrEnum

from maildropd.relay.form.encodings import (
    Base64,
    Encoder,
    QuotedPrintable,
    Requoted,
    Rewrapped,
)
from maildropd.relay.form.lines import has_long_line
from maildropd.relay.form.part import Kind, Part

_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n"
# An = without its two digits is read in several ways; a piece may end within one.
_NO_SIGN = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*(?:\r\n|\Z)|[0-9A-Fa-f]\Z)")


class Way(StrEnum):
    """What is done with a text."""

    QUOTE = "quoted-printable"
    ENCODE = "base64"
    REQUOTE = "shorter lines of quoted-printable"
    REWRAP = "shorter lines of base64"


ENCODERS: Mapping[Way, Callable[[], Encoder]] = {
    Way.QUOTE: QuotedPrintable,
    Way.ENCODE: Base64,
    Way.REQUOTE: Requoted,
    Way.REWRAP: Rewrapped,
}


class Tally:
    """Looks at the lines of one part."""

    def __init__(self, part: Part) -> None:
        """Begin with nothing seen."""
        self.part = part
        self.eight_bit = False
        self.long = False
        self._octets = 0
        self._strange = 0  # octets that quoted-printable has to mark
        self._foreign = False  # octets that its encoding does not know
        self._utf8 = True
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def add(self, octets: bytes) -> None:
        """Look at some more lines, or at a piece of one."""
        self._octets += len(octets)
        # A very long line comes in pieces.
        self.long = self.long or not octets.endswith(b"\n") or has_long_line(octets)
        self._strange += len(octets.translate(None, _PRINTABLE))
        if self.part.encoding == "base64":
            self._foreign |= bool(octets.translate(None, _BASE64))
        elif self.part.encoding == "quoted-printable":
            self._foreign |= _NO_SIGN.search(octets) is not None
        if not octets.isascii():
            self.eight_bit = True
        if self.eight_bit and self._utf8:
            try:
                self._decoder.decode(octets)
            except UnicodeDecodeError:
                self._utf8 = False

    @property
    def charset(self) -> str:
        """What to call the characters of a text that does not say so itself.

        Eight-bit text that is UTF-8 is so by no accident; of any other nobody
        knows (RFC 1428).
        """
        if not self.eight_bit:
            return "us-ascii"
        whole = self._utf8 and not self._decoder.getstate()[0]
        return "utf-8" if whole else "unknown-8bit"

    def way(self) -> Way | None:
        """Return what to do with the text; None if it must stay as it is."""
        part = self.part
        if part.kind is Kind.SEALED:
            return None
        match part.encoding:
            case "" | "7bit" | "8bit" | "binary":
                is_text = part.media == "" or part.media.startswith("text/")
                # A mark takes two octets more, base64 a third of all.
                return Way.QUOTE if is_text and self._is_plain() else Way.ENCODE
            case "quoted-printable" if not self._foreign:
                return Way.REQUOTE
            case "base64" if not self._foreign:
                return Way.REWRAP
            case _:
                return None

    def _is_plain(self) -> bool:
        return self._strange * 6 <= self._octets
