# SPDX-License-Identifier: Apache-2.0
"""The commands of msmtp's configuration, and what an account has said."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from maildropd.foreign.errors import Unreadable

WITHOUT_EQUAL: Mapping[str, str] = {
    "source_ip": "the address to send from cannot be chosen",
    "proxy_host": "there is no way through a proxy",
    "proxy_port": "there is no way through a proxy",
    "ntlmdomain": "NTLM is not spoken",
    "tls_crl_file": "revocation lists are not read",
    "tls_priorities": "TLS 1.2 and later are spoken, with the system's ciphers",
    "tls_min_dh_prime_bits": "the system's TLS says what is too short",
    "tls_host_override": "the certificate must be that of host",
    "dsn_notify": "who submits says so, as with sendmail -N",
    "dsn_return": "who submits says so, as with sendmail -R",
    "logfile": "the journal is the log: journalctl -u maildropd",
    "logfile_time_format": "the journal is the log",
    "syslog": "the journal is the log: journalctl -u maildropd",
    "undisclosed_recipients": "the header says To as it was written",
    "remove_bcc_headers": "sendmail -t takes Bcc out, and nothing else does",
    "set_from_header": "a missing From is added, and others stay",
    "add_missing_from_header": "a missing From is added",
    "set_date_header": "a missing Date is added",
    "add_missing_date_header": "a missing Date is added",
    "set_msgid_header": "a missing Message-ID is added",
    "allow_from_override": "see otherwise and check_senders of [submission]",
}
AS_DEFAULT: Mapping[str, tuple[str, ...]] = {
    "remove_bcc_headers": ("on", ""),
    "set_from_header": ("auto",),
    "add_missing_from_header": ("on", ""),
    "set_date_header": ("auto", ""),
    "add_missing_date_header": ("on", ""),
    "set_msgid_header": ("auto", ""),
    "undisclosed_recipients": ("off",),
    "allow_from_override": ("on", ""),
    "dsn_notify": ("off",),
    "dsn_return": ("off",),
    "syslog": ("off",),
}
_WITH_EQUAL = (
    *("host", "port", "socket", "timeout", "connect_timeout", "protocol", "domain"),
    *(
        "auth",
        "user",
        "password",
        "passwordeval",
        "tls",
        "tls_starttls",
        "tls_nostarttls",
    ),
    *("tls_trust_file", "tls_fingerprint", "tls_key_file", "tls_cert_file"),
    *("tls_certcheck", "tls_nocertcheck", "from", "aliases", "auto_from", "maildomain"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command said; where does not make two of them differ."""

    value: str
    where: str = field(compare=False)

    @property
    def on(self) -> bool:
        """Read on or off; nothing is on."""
        if self.value not in ("on", "off", ""):
            raise Unreadable(self.where, f'"{self.value}" is neither on nor off')
        return self.value != "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A name, and everything that was said for it."""

    name: str
    where: str
    said: Mapping[str, Said]

    @property
    def sender(self) -> str:
        """Return who it is for, if it says so."""
        return self.said["from"].value if "from" in self.said else ""


def is_command(name: str) -> bool:
    """Tell whether msmtp knows a command."""
    return name in _WITH_EQUAL or name in WITHOUT_EQUAL
