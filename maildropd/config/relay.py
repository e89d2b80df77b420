# SPDX-License-Identifier: Apache-2.0
"""``[relay NAME]``: every key of a server that takes mail, and its default.

See config/model.py for the other sections, and for how keys become fields.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from maildropd.config.rate import Rate


class Protocol(StrEnum):
    """What is spoken to a relay."""

    SMTP = "smtp"
    LMTP = "lmtp"  # a reply for each recipient at the end (RFC 2033)


class Tls(StrEnum):
    """How a connection to a relay is encrypted."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"  # in clear only where STARTTLS is not offered
    REQUIRED = "required"  # STARTTLS, or the mail waits
    IMPLICIT = "implicit"  # TLS from the first octet (RFC 8314)


class Auth(StrEnum):
    """The SASL mechanism; ``auto`` takes the best that the server offers."""

    AUTO = "auto"
    CRAM_MD5 = "cram-md5"
    PLAIN = "plain"
    LOGIN = "login"
    SCRAM_SHA_256 = "scram-sha-256"
    SCRAM_SHA_256_PLUS = "scram-sha-256-plus"
    OAUTHBEARER = "oauthbearer"
    XOAUTH2 = "xoauth2"


class Grant(StrEnum):
    """What a token is given for (RFC 6749)."""

    REFRESH = "refresh_token"  # a person logged in once
    CLIENT = "client_credentials"  # the secret of this program is enough


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """``[relay NAME]``: a smarthost that takes mail."""

    name: str
    host: str = "localhost"
    port: int = 0  # 0: 24 for LMTP, 465 with implicit TLS, else 25
    socket: Path | None = None  # in place of host and port
    protocol: Protocol = Protocol.SMTP
    hostname: str = ""  # said in EHLO; empty: as [daemon] says
    tls: Tls = Tls.OPPORTUNISTIC
    tls_verify: bool = True
    tls_ca_file: Path | None = None
    tls_fingerprint: tuple[str, ...] = ()  # sha256:...; in place of authorities
    tls_certificate: Path | None = None  # our own
    tls_key: Path | None = None  # empty: in the same file
    tls_certificate_credential: str = ""  # both in one
    auth: Auth = Auth.AUTO
    auth_in_clear: bool = False
    username: str = ""
    password_credential: str = ""
    password_file: Path | None = None
    token_file: Path | None = None  # somebody else keeps it fresh
    oauth_token_endpoint: str = ""
    oauth_ca_file: Path | None = None
    oauth_grant: Grant = Grant.REFRESH
    oauth_client_id: str = ""
    oauth_client_secret_credential: str = ""
    oauth_client_secret_file: Path | None = None
    oauth_refresh_token_credential: str = ""
    oauth_refresh_token_file: Path | None = None
    oauth_scope: str = ""
    max_connections: int = 4
    max_recipients: int = 100  # in one transaction
    max_messages: int = 0  # messages on one connection; 0: no limit
    rate: Rate | None = None
    chunking: bool = True
    wait_interval: timedelta = timedelta(0)
    connect_timeout: timedelta = timedelta(seconds=30)
    greeting_timeout: timedelta = timedelta(minutes=5)
    command_timeout: timedelta = timedelta(minutes=5)
    data_timeout: timedelta = timedelta(minutes=3)
    final_timeout: timedelta = timedelta(minutes=10)
    idle_timeout: timedelta = timedelta(seconds=30)

    @property
    def has_password(self) -> bool:
        """Tell whether a password proves who we are."""
        return bool(self.password_credential or self.password_file)

    @property
    def has_tokens(self) -> bool:
        """Tell whether a token does."""
        return bool(self.token_file or self.oauth_token_endpoint)

    @property
    def real_port(self) -> int:
        """The port to connect to."""
        if self.port:
            return self.port
        if self.protocol is Protocol.LMTP:
            return 24
        return 465 if self.tls is Tls.IMPLICIT else 25

    @property
    def destination(self) -> str:
        """The name in logs and outcomes, ``host:port`` or ``unix:/path``."""
        if self.socket:
            return f"unix:{self.socket}"
        return f"{self.host}:{self.real_port}"
