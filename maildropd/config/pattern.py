# SPDX-License-Identifier: Apache-2.0
"""Which addresses are meant: the words of ``recipient`` and ``sender`` in a route.

Upper and lower case are the same throughout: nobody means two users by them.
"""

import re
from enum import Enum, auto

_WORD = re.compile(r"/(?:\\.|[^\\/])*/|[^\s,]+")
_DOMAIN = re.compile(r"(?:(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!$)|$))+")
_LITERAL = re.compile(r"\[[0-9A-Za-z.:]+\]")


class Kind(Enum):
    """What a word means."""

    ALL = auto()  # *
    NOBODY = auto()  # <>
    DOMAIN = auto()  # example.net
    BELOW = auto()  # .example.net: what is below it, not itself
    USER = auto()  # bob@
    ADDRESS = auto()  # bob@example.net
    EXPRESSION = auto()  # /^bob-.*@/


def words(text: str) -> tuple[str, ...]:
    """Split at blanks and commas, but not within an expression."""
    return tuple(_WORD.findall(text))


def meant(word: str) -> tuple[Kind, str]:
    """Return what a word means and what to look for; raise ``ValueError``."""
    if word in ("*", "<>"):
        return (Kind.ALL if word == "*" else Kind.NOBODY), word
    if word.startswith("/"):
        return Kind.EXPRESSION, _expression(word)
    if "@" in word:
        user, _, domain = word.rpartition("@")
        if not user:
            raise ValueError(f"is no address (try {domain})")
        if domain:
            _check(domain)
        whole = f"{user.lower()}@{folded(domain)}"
        return (Kind.ADDRESS if domain else Kind.USER), whole
    _check(word.removeprefix("."))
    if word.startswith("."):
        return Kind.BELOW, folded(word[1:])
    return Kind.DOMAIN, folded(word)


def folded(domain: str) -> str:
    """Return a domain as DNS has it, in lower case."""
    domain = domain.removesuffix(".").lower()
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:  # then it is in no list either
        return domain


def recipient(word: str) -> str | None:
    """Limit a word of ``recipient``: see config/limits.py."""
    if word == "<>":
        return "is nobody (only a sender can be <>)"
    return sender(word)


def sender(word: str) -> str | None:
    """Limit a word of ``sender``."""
    try:
        meant(word)
    except ValueError as error:
        return str(error)
    return None


def _check(domain: str) -> None:
    if not _LITERAL.fullmatch(domain) and not _DOMAIN.fullmatch(folded(domain)):
        raise ValueError("is no address and no domain (try bob@example.net)")


def _expression(word: str) -> str:
    inner = word[1:-1]
    if len(word) < 3 or not word.endswith("/"):
        raise ValueError("is an expression without an end (try /^bob@/)")
    try:
        re.compile(inner)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is no regular expression ({error})") from error
    return inner
