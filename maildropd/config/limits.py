# SPDX-License-Identifier: Apache-2.0
"""What a single value must keep to, beyond its type.

Each limit returns None, or words that follow the value.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

Limit = Callable[[Any], str | None]

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def between(lowest: int, highest: int) -> Limit:
    """Make a limit for numbers."""

    def limit(value: int) -> str | None:
        if lowest <= value <= highest:
            return None
        return f"is not between {lowest} and {highest}"

    return limit


def positive(value: int | timedelta) -> str | None:
    """Zero would mean at once, again and again."""
    return None if value else "must be more than 0"


def host_name(value: str) -> str | None:
    """Accept a DNS name in ASCII."""
    if not value.isascii():
        return "is not ASCII (write it as DNS does, xn--...)"
    labels = value.removesuffix(".").split(".")
    fits = len(value) <= 253 and all(map(_LABEL.fullmatch, labels))
    return None if fits else "is not a host name (try mail.example.org)"


def host(value: str) -> str | None:
    """Accept a DNS name or an address; the port has a key of its own."""
    if _is_address(value):
        return None
    if re.fullmatch(r"[^:]+:\d+|\[.*\]:\d+", value):
        name, _, port = value.rpartition(":")
        return f"contains a port (try host = {name} and port = {port})"
    if value.startswith("["):
        return "is not an address (write it without brackets)"
    return host_name(value)


def name(value: str) -> str | None:
    """Accept what can be a file's name, and a word in the log."""
    fits = _NAME.fullmatch(value)
    return None if fits else "is not a name (letters, digits, and _ . - within)"


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


LIMITS: Mapping[tuple[str, str], Limit] = {
    ("daemon", "hostname"): host_name,
    ("queue", "message_size_limit"): positive,
    ("queue", "recipient_limit"): between(1, 1_000_000),
    ("queue", "first_retry"): positive,
    ("queue", "slowest_retry"): positive,
    ("queue", "give_up_after"): positive,
    ("spool", "poll_interval"): positive,
    ("spool", "lock_expiry"): positive,
    ("relay", "host"): host,
    ("relay", "port"): between(0, 65535),
    ("relay", "password_credential"): name,
    ("relay", "max_connections"): between(1, 100),
    ("relay", "batch"): between(0, 1_000_000),
    ("relay", "connect_timeout"): positive,
    ("relay", "greeting_timeout"): positive,
    ("relay", "command_timeout"): positive,
    ("relay", "data_timeout"): positive,
    ("relay", "final_timeout"): positive,
}
