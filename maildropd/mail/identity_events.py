# SPDX-License-Identifier: Apache-2.0
"""What proves who we are: that it ends, has ended, or is renewed again."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from maildropd.mail.event import Event, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAtRisk(Event):
    """No new OAuth token can be had; the present one still works."""

    event_id: ClassVar[str] = "8ef0458cc43846499bd6461971ed6f00"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "relay {relay}: the OAuth token is not renewed, it ends at {ends} ({reason})"
    )
    relay: str
    reason: str
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    """The OAuth endpoint refuses us; the present token still works for a while."""

    event_id: ClassVar[str] = "fb7880dc70bf4fe09c53c04319a6cb17"
    priority: ClassVar[Priority] = Priority.ALERT
    template: ClassVar[str] = (
        "relay {relay}: no more OAuth tokens, mail waits from {ends} on ({reason})"
    )
    relay: str
    reason: str
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRenewed(Event):
    """The OAuth token is renewed again."""

    event_id: ClassVar[str] = "041ff98901454a70b61110144545f8ae"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "relay {relay}: the OAuth token is renewed again"
    relay: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenNotKept(Event):
    """A new refresh token is known to this process alone."""

    event_id: ClassVar[str] = "2c67f6fcd0b54bef83f3a77e38492f67"
    priority: ClassVar[Priority] = Priority.ALERT
    template: ClassVar[str] = (
        "relay {relay}: a new refresh token cannot be kept over a restart ({reason})"
    )
    relay: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEnding(Event):
    """The certificate that we show to a relay ends soon, or has ended."""

    event_id: ClassVar[str] = "044c31aeded64f05898d5c31e7c7dc73"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "relay {relay}: our certificate {certificate} ends at {ends}, renew it"
    )
    relay: str
    certificate: str
    ends: datetime
