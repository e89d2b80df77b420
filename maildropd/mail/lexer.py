# SPDX-License-Identifier: Apache-2.0
"""The words of an address list (RFC 5322 3.2), one after the other.

By hand where text may nest or go on without end: an expression would remember
a way back for each of a million steps.  Text here has a character for each
octet; a token has them as they are meant, in UTF-8.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from maildropd.mail.errors import BadAddress

_TOKEN = re.compile(
    r"""(?P<blank>[ \t]+)
    |(?P<literal>\[[^\[\]\\]*\])
    |(?P<special>[<>@,;:.])
    |(?P<atom>[^ \t"()<>\[\]:;@,.]+)
    """,
    re.VERBOSE,
)
_QUOTE_MARK = re.compile(r'"|\\.', re.DOTALL)
_COMMENT_MARK = re.compile(r"[()]|\\.", re.DOTALL)
_WORD_LIMIT = 10_000  # octets; of a quote or a comment, too
# Words, blanks and comments of one list: some forty for each of ten thousand
# recipients, and half a second of work.
_STEPS_LIMIT = 400_000


class Token(NamedTuple):
    """A word, or a character that means something."""

    kind: str  # "atom", "quoted", "literal", or the special character itself
    text: str


def tokens(text: str) -> Iterator[tuple[Token, int]]:
    """Yield tokens without blanks and comments, and where each ends."""
    at = steps = 0
    while at < len(text):
        start = at
        steps += 1
        if steps > _STEPS_LIMIT:
            raise BadAddress(f"no end of words: {shown(text[:200])}")
        if text[start] == "(":
            at = _after_comment(text, start)
            continue
        if text[start] == '"':
            at = _after_quote(text, start)
            yield Token("quoted", _word(text, start, at)), at
            continue
        found = _TOKEN.match(text, at)
        if not found:
            raise BadAddress(f"a stray {text[at]} in {shown(text[at : at + 200])}")
        at = found.end()
        kind = str(found.lastgroup)
        if kind != "blank":
            word = _word(text, start, at)
            yield Token(word if kind == "special" else kind, word), at


def _word(text: str, start: int, end: int) -> str:
    if end - start > _WORD_LIMIT:
        raise _without_end("word", text, start)
    return _meant(text[start:end])


def _without_end(what: str, text: str, start: int) -> BadAddress:
    return BadAddress(f"a {what} without end: {shown(text[start : start + 200])}")


def _meant(text: str) -> str:
    """Return what octets stand for; what is not UTF-8 becomes surrogates."""
    if text.isascii():
        return text
    return text.encode("latin-1").decode("utf-8", "surrogateescape")


def _after_comment(text: str, start: int) -> int:
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start, start + _WORD_LIMIT):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if not depth:
            return mark.end()
    raise _without_end("comment", text, start)


def _after_quote(text: str, start: int) -> int:
    for mark in _QUOTE_MARK.finditer(text, start + 1, start + _WORD_LIMIT):
        if mark[0] == '"':
            return mark.end()
    raise _without_end("quote", text, start)


def shown(text: str) -> str:
    """Return text for a complaint: cut, and with escapes."""
    text = _meant(text.strip(" \t"))
    return repr(text if len(text) <= 80 else text[:77] + "...")
