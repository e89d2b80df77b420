# SPDX-License-Identifier: Apache-2.0
"""What a single value must keep to, beyond its type.

Each limit returns None, or words that follow the value.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from maildropd.config import pattern
from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress

Limit = Callable[[Any], str | None]

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_LOGIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?")
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


def small(value: int) -> str | None:
    """Refuse what would be held in memory for each mail that fails."""
    return None if value <= 1 << 20 else "is too large (at most 1M)"


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


def address(value: str) -> str | None:
    """Accept one address with a domain."""
    try:
        found = parse_list(value)
    except BadAddress as error:
        return f"is not an address ({error})"
    if found == (value,) and "@" in value:
        return None
    return "is not an address with a domain (try ops@example.org)"


def masquerade(value: str) -> str | None:
    """Accept an address, or a domain behind an @."""
    return host_name(value[1:]) if value.startswith("@") else address(value)


def each(limit: Limit) -> Limit:
    """Make a limit for every word of several."""

    def limits(values: tuple[str, ...]) -> str | None:
        for value in values:
            if trouble := limit(value):
                return f"contains {value}, which {trouble}"
        return None

    return limits


def user(value: str) -> str | None:
    """Accept what can be a login name."""
    return None if _LOGIN.fullmatch(value) else "is not a user's or group's name"


def user_id(value: str) -> str | None:
    """Accept the number of a user."""
    fits = value.isascii() and value.isdigit() and int(value) < 2**32 - 1
    return None if fits else "is not a number of a user (user = takes names)"


def network(value: str) -> str | None:
    """Accept an address, or a network."""
    try:
        ip_network(value)
    except ValueError as error:
        return f"is not a network ({error})"
    return None


def unit(value: str) -> str | None:
    """Accept a unit's full name, or a pattern of names."""
    return None if "." in value else "is not the name of a unit (try cron.service)"


def endpoint(value: str) -> str | None:
    """Accept where secrets may be sent: encrypted, or on this host."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        return f"is not an address of the web ({error})"
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        return "does not begin with https:// (secrets are sent there)"
    if not parts.hostname or not (value.isascii() and value.isprintable()):
        return "is not an address of the web (try https://login.example.org/token)"
    if "@" in parts.netloc or parts.fragment or port == 0 or " " in value:
        return "has more than host, port, path and query"
    return None


def signed_field(value: str) -> str | None:
    """Accept a header field that may be signed (RFC 6376 section 5.4)."""
    if value.lower() in ("return-path", "received", "dkim-signature", "bcc"):
        return "changes on the way, and is not signed"
    fits = re.fullmatch(r"[!-9;-~]{1,70}", value)
    return None if fits else "is not the name of a header field"


def fingerprint(value: str) -> str | None:
    """Accept the SHA-256 of a certificate, with or without colons."""
    digits = value.lower().removeprefix("sha256:")
    fits = re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{2}(:[0-9a-f]{2}){31}", digits)
    return None if fits else "is no fingerprint (try sha256: and 64 digits)"


def sender(value: str) -> str | None:
    """Accept an address, or a pattern for addresses."""
    fits = value == "*" or ("@" in value.lstrip("*") and value.isprintable())
    return None if fits else "is no address (try news@example.org, *@example.org, *)"


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


LIMITS: Mapping[tuple[str, str], Limit] = {
    ("dkim", "domain"): host_name,
    ("dkim", "selector"): host_name,
    ("dkim", "key_credential"): name,
    ("dkim", "headers"): each(signed_field),
    ("daemon", "hostname"): host_name,
    ("queue", "message_size_limit"): positive,
    ("queue", "recipient_limit"): between(1, 1_000_000),
    ("queue", "first_retry"): positive,
    ("queue", "slowest_retry"): positive,
    ("queue", "give_up_after"): positive,
    ("queue", "relay"): name,
    ("queue", "mx_domains"): between(1, 2000),
    ("bounces", "return_limit"): small,
    ("bounces", "hourly_limit"): between(1, 1_000_000),
    ("bounces", "double_bounces_to"): address,
    ("submission", "gateways"): each(user),
    ("submission", "trusted"): each(user),
    ("submission", "max_connections"): between(1, 20_000),
    ("submission", "connections_per_user"): between(1, 20_000),
    ("submission", "idle_timeout"): positive,
    ("names", "domain"): host_name,
    ("names", "local_names"): each(host_name),
    ("names", "local_to"): address,
    ("names", "rewrite_from"): masquerade,
    ("submitter", "uid"): each(user_id),
    ("submitter", "user"): each(user),
    ("submitter", "group"): each(user),
    ("submitter", "unit"): each(unit),
    ("submitter", "network"): each(network),
    ("submitter", "spool"): each(name),
    ("submitter", "senders"): each(sender),
    ("submitter", "connections"): between(0, 20_000),
    ("submitter", "recipient_limit"): between(0, 1_000_000),
    ("submitter", "relay"): name,
    ("submitter", "redirect_to"): address,
    ("spool", "poll_interval"): positive,
    ("spool", "lock_expiry"): positive,
    ("spool", "sending_expiry"): positive,
    ("route", "recipient"): each(pattern.recipient),
    ("route", "sender"): each(pattern.sender),
    ("route", "mx"): name,
    ("relay", "host"): host,
    ("relay", "port"): between(0, 65535),
    ("relay", "hostname"): host_name,
    ("relay", "oauth_token_endpoint"): endpoint,
    ("relay", "oauth_client_secret_credential"): name,
    ("relay", "oauth_refresh_token_credential"): name,
    ("relay", "tls_fingerprint"): each(fingerprint),
    ("relay", "tls_certificate_credential"): name,
    ("relay", "password_credential"): name,
    ("relay", "max_connections"): between(1, 100),
    ("relay", "max_recipients"): between(1, 10_000),
    ("relay", "max_messages"): between(0, 1_000_000),
    ("relay", "connect_timeout"): positive,
    ("relay", "greeting_timeout"): positive,
    ("relay", "command_timeout"): positive,
    ("relay", "data_timeout"): positive,
    ("relay", "final_timeout"): positive,
}
