# SPDX-License-Identifier: Apache-2.0
"""May this submitter use that address: in the reverse-path, and as an author."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress, PermanentError
from maildropd.mail.reply import Reply
from maildropd.policy.rules import Rule


class SenderRefused(PermanentError):
    """The submitter may not use this address."""

    default = Reply(553, "5.7.1")


class Names(Protocol):
    """What is known of our own names; policy/names.py."""

    def is_local(self, address: str) -> bool:
        """Tell whether an address is at one of our names."""
        ...

    def qualify(self, address: str) -> str:
        """Add our domain to a bare name."""
        ...


def own_address(rule: Rule, names: Names) -> str:
    """Return the address of the submitter himself.

    A login of a directory service may be an address already, as
    ``alice@corp.example``, or nothing that an address can have.
    """
    login = rule.account.login
    return names.qualify(login if _is_one(login) else _quoted(login))


def may_use(address: str, rule: Rule, names: Names) -> bool:
    """Tell whether an address is the submitter's, or granted to him.

    ``login+anything`` is the login's own.  A text that is no address is nobody's:
    others may read another one out of it.
    """
    if rule.any_sender:
        return True
    if not _is_one(address):
        return False
    local_part, _, _ = address.rpartition("@")
    if local_part.partition("+")[0] == rule.account.login and names.is_local(address):
        return True
    granted = rule.section.senders if rule.section else ()
    return address == own_address(rule, names) or _is_granted(address, granted)


def check(address: str, rule: Rule, names: Names) -> None:
    """Raise ``SenderRefused`` with words that say what would allow it."""
    if not may_use(address, rule, names):
        who = rule.account.login
        where = f"[submitter {rule.name}]" if rule.section else "a [submitter] section"
        raise SenderRefused(
            f"{who} may not send as {address} (senders in {where} can grant it)"
        )


def _is_one(text: str) -> bool:
    try:
        return parse_list(text) == (text,)
    except BadAddress:
        return False


def _quoted(login: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in login)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_granted(address: str, patterns: Sequence[str]) -> bool:
    lowered = address.lower()
    return any(_fits(lowered, pattern.lower()) for pattern in patterns)


def _fits(address: str, pattern: str) -> bool:
    """``@example.org`` means anybody there; only * stands for something else."""
    if pattern.startswith("@"):
        pattern = f"*{pattern}"
    # A [ or ? in an address is itself: only the star is a pattern here.
    pattern = pattern.replace("[", "[[]").replace("?", "[?]")
    return fnmatchcase(address, pattern)
