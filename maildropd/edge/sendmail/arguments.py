# SPDX-License-Identifier: Apache-2.0
"""sendmail's command line, as its callers have written it for forty years.

An address never becomes an option: the first word that is none ends the
options, and so does ``--``.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from maildropd.edge.smtp.grammar import is_envid, is_notify
from maildropd.mail.verp import DELIMITERS, is_delimiters

_VALUED = frozenset("fFrBCDhLNOopRVX")
_ALONE = frozenset("GinmstUvJ")
_IGNORED = frozenset("GmnsUJ")


class Usage(Exception):
    """The command line makes no sense; the text says what does."""


class Mode(StrEnum):
    """What is to be done."""

    DELIVER = "m"
    QUEUE = "p"
    ALIASES = "i"
    VERIFY = "v"
    FLUSH = "q"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """A command line, understood."""

    mode: Mode = Mode.DELIVER
    recipients: tuple[str, ...] = ()
    reverse_path: str | None = None  # None: not said; "" is the null one
    full_name: str = ""
    from_header: bool = False  # -t: recipients stand in the header, too
    dot_ends: bool = True  # a lone dot ends the message
    verbose: bool = False
    notify: str = ""
    ret: str = ""
    envid: str = ""
    verp: str = ""  # its delimiters, if each recipient has a return address


_Change = Callable[[Invocation, str], Invocation]


def parse(words: Sequence[str]) -> Invocation:
    """Read a command line, program name first; raise ``Usage``."""
    found = Invocation(mode=_by_name(words[0] if words else ""))
    options = list(words[1:])
    while options:
        word = options[0]
        if word == "--":
            options.pop(0)
            break
        if not word.startswith("-") or word == "-":
            break
        options.pop(0)
        for letter, value in _letters(word[1:], options):
            change = _CHANGES.get(letter)
            if change:
                found = change(found, value)
    if found.verp and found.reverse_path == "":
        raise Usage("-XV needs a sender to make return addresses of")
    return replace(found, recipients=tuple(word for word in options if word))


def _by_name(name: str) -> Mode:
    base = name.rpartition("/")[2]
    return {"mailq": Mode.QUEUE, "newaliases": Mode.ALIASES}.get(base, Mode.DELIVER)


def _letters(word: str, rest: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of one word, each with its value, if it takes one."""
    while word:
        letter, word = word[0], word[1:]
        if letter in _ALONE:
            yield letter, ""
        elif letter in _VALUED:
            if not word and not rest:
                raise Usage(f"-{letter} needs a value")
            yield letter, word or rest.pop(0)
            return
        elif letter in "bdeqAI":  # their value, if any, is part of the word
            yield letter, word
            return
        else:
            raise Usage(f"-{letter} is no option of sendmail")


def _mode(found: Invocation, value: str) -> Invocation:
    if value in ("m", "a", ""):
        return replace(found, mode=Mode.DELIVER)
    if value in ("d", "D", "s", "t", "h", "H"):
        raise Usage(f"-b{value}: maildropd is a service of its own, see maildropd(8)")
    try:
        return replace(found, mode=Mode(value[:1]))
    except ValueError:
        raise Usage(f"-b{value} is no mode of sendmail") from None


def _sender(found: Invocation, value: str) -> Invocation:
    path = value.strip(" \t")
    if path.startswith("<") and path.endswith(">"):
        path = path[1:-1]
    return replace(found, reverse_path=path)


def _old_option(found: Invocation, value: str) -> Invocation:
    """``-oi`` is ``-i``; nearly all others are about things we have not."""
    if value[:1] == "i" or value.lower().startswith("ignoredots"):
        return replace(found, dot_ends=False)
    return found


def _notify(found: Invocation, value: str) -> Invocation:
    if not is_notify(value):
        raise Usage(f"-N {value}: is never, or of success,failure,delay")
    return replace(found, notify=value.upper())


def _ret(found: Invocation, value: str) -> Invocation:
    if not re.fullmatch("(?i)full|hdrs", value):
        raise Usage(f"-R {value}: is full or hdrs")
    return replace(found, ret=value.upper())


def _envid(found: Invocation, value: str) -> Invocation:
    if not is_envid(value):
        raise Usage("-V: is no xtext of at most 100 characters")
    return replace(found, envid=value)


def _verp(found: Invocation, value: str) -> Invocation:
    """Read ``-XV`` and ``-XV+=``, as Postfix has them; any other names a log file."""
    if not value.startswith("V") or len(value) > 3:
        return found
    delimiters = value[1:] or DELIMITERS
    if not is_delimiters(delimiters):
        raise Usage(f"-X{value}: -XV takes two of - + =")
    return replace(found, verp=delimiters)


_CHANGES: Mapping[str, _Change] = {
    "b": _mode,
    "q": lambda found, _: replace(found, mode=Mode.FLUSH),
    "I": lambda found, _: replace(found, mode=Mode.ALIASES),
    "f": _sender,
    "r": _sender,
    "F": lambda found, value: replace(found, full_name=value),
    "i": lambda found, _: replace(found, dot_ends=False),
    "t": lambda found, _: replace(found, from_header=True),
    "v": lambda found, _: replace(found, verbose=True),
    "o": _old_option,
    "O": _old_option,
    "N": _notify,
    "R": _ret,
    "V": _envid,
    "X": _verp,
}
