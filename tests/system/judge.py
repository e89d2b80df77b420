# SPDX-License-Identifier: Apache-2.0
"""Compares what was dropped with what arrived, and names every difference."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.system.mails import Mail
from tests.system.postfix import Delivered

_NUMBER = re.compile(rb"^X-Mail: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Each entry is a mail's number and a recipient."""

    lost: frozenset[tuple[int, str]] = frozenset()
    strange: frozenset[tuple[int, str]] = frozenset()  # arrived, and nobody sent it
    changed: frozenset[tuple[int, str]] = frozenset()  # content or sender
    doubled: int = 0  # copies beyond the first


def judge(sent: Iterable[Mail], arrived: Iterable[Delivered]) -> Verdict:
    """Compare; the empty verdict means: all, once, byte for byte, to nobody else."""
    expected = {(mail.number, who): mail for mail in sent for who in mail.recipients}
    copies = [(_key(copy), copy) for copy in arrived]
    count = Counter(key for key, _ in copies)
    return Verdict(
        lost=frozenset(expected.keys() - count.keys()),
        strange=frozenset(count.keys() - expected.keys()),
        changed=frozenset(
            key
            for key, copy in copies
            if key in expected and not _same(expected[key], copy)
        ),
        doubled=sum(count.values()) - len(count),
    )


def _key(copy: Delivered) -> tuple[int, str]:
    found = _NUMBER.search(copy.content)
    return (int(found[1]) if found else -1, copy.recipient)


def _same(mail: Mail, copy: Delivered) -> bool:
    """A last line without an end gets one: SMTP cannot say it otherwise."""
    wanted = mail.content
    if not wanted.endswith(b"\n"):
        wanted += b"\n"
    return (wanted, mail.sender) == (copy.content, copy.sender)
