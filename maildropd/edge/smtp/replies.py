# SPDX-License-Identifier: Apache-2.0
"""Our replies as octets: whatever they quote, each of their lines is one line."""

from maildropd.mail.reply import Reply

_WITHOUT_STATUS = (220, 354)
_LINE_LIMIT = 450  # characters; RFC 5321 4.5.3.1.5 has 512 octets for all of it


def octets(reply: Reply, *more: str) -> bytes:
    """Return a reply as it is sent; with more lines, its own text is the first."""
    *before, last = reply.text, *more
    status = "" if more or reply.code in _WITHOUT_STATUS else reply.status
    words = [f"{reply.code}-{text}\r\n" for text in before]
    words.append(f"{reply.code} {_plain(' '.join(filter(None, (status, last))))}\r\n")
    return "".join(words).encode("ascii", "replace")


def _plain(words: str) -> str:
    if words.isprintable():
        return words[:_LINE_LIMIT]
    return "".join(c if c.isprintable() else " " for c in words)[:_LINE_LIMIT]
