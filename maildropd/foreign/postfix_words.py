# SPDX-License-Identifier: Apache-2.0
"""Parameters of Postfix: the defaults that others refer to, and what has no equal."""

from collections.abc import ItemsView, Mapping
from dataclasses import dataclass
from pathlib import Path

_NOT_NEEDED = "is not needed"
_JOURNAL = "the journal is the log: journalctl -u maildropd"
_RECEIVES = "is about mail that Postfix receives or delivers itself"
_LATER = "has no equal here: see forward_map of [names], and [route NAME]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The value of a parameter, and where it stands."""

    value: str
    where: str


class Parameters:
    """Everything that a main.cf says."""

    def __init__(self, said: Mapping[str, Said], path: Path) -> None:
        """Take what was said, references put in."""
        self._said = dict(said)
        self.file = str(path)

    def get(self, name: str) -> Said | None:
        """Return a parameter, if it was said."""
        return self._said.get(name)

    def is_yes(self, name: str) -> bool:
        """Tell whether a parameter was said to be yes."""
        said = self._said.get(name)
        return said is not None and said.value.lower() == "yes"

    def items(self) -> ItemsView[str, Said]:
        """Return all of them."""
        return self._said.items()


DEFAULTS: Mapping[str, str] = {
    "mydomain": "localdomain",
    "myhostname": "localhost",
    "myorigin": "$myhostname",
    "config_directory": "/etc/postfix",
    "data_directory": "/var/lib/postfix",
    "queue_directory": "/var/spool/postfix",
}

# Nothing behind a name: it has been taken care of, or is remarked on elsewhere.
WORDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("relayhost", "myhostname", "myorigin", "mydomain", "mydestination"),
            *("inet_interfaces", "alias_maps", "alias_database", "masquerade_domains"),
            *("message_size_limit", "maximal_queue_lifetime", "minimal_backoff_time"),
            *("maximal_backoff_time", "delay_warning_time", "smtp_helo_name"),
            *("smtp_tls_security_level", "smtp_tls_wrappermode", "smtp_use_tls"),
            *("smtp_enforce_tls", "smtp_tls_CAfile", "smtp_tls_CApath"),
            *("smtp_tls_cert_file", "smtp_tls_key_file", "smtp_tls_fingerprint_digest"),
            *("smtp_tls_fingerprint_cert_match", "smtp_sasl_auth_enable"),
            *("smtp_sasl_password_maps", "smtp_sasl_security_options"),
            *("smtp_sasl_tls_security_options", "smtp_sasl_mechanism_filter"),
            *("smtp_connect_timeout", "smtp_data_done_timeout"),
            *("default_destination_concurrency_limit",),
            *("smtp_destination_concurrency_limit",),
            *(
                "default_destination_recipient_limit",
                "smtp_destination_recipient_limit",
            ),
        ),
        "",
    ),
    **dict.fromkeys(
        (
            *("append_dot_mydomain", "biff", "compatibility_level", "readme_directory"),
            *("config_directory", "data_directory", "queue_directory", "mail_owner"),
            *("command_directory", "daemon_directory", "html_directory"),
            *("manpage_directory", "sample_directory", "sendmail_path", "setgid_group"),
            *("newaliases_path", "mailq_path", "mynetworks_style", "shlib_directory"),
            *("meta_directory", "smtp_tls_session_cache_database", "debug_peer_level"),
            *("smtp_tls_note_starttls_offer", "unknown_local_recipient_reject_code"),
            *("inet_protocols", "default_database_type", "smtputf8_enable"),
        ),
        _NOT_NEEDED,
    ),
    **dict.fromkeys(
        (
            *(
                "mynetworks",
                "recipient_delimiter",
                "mailbox_size_limit",
                "home_mailbox",
            ),
            *("mailbox_command", "relay_domains", "disable_vrfy_command"),
            *("mailbox_transport", "local_transport", "local_recipient_maps"),
        ),
        _RECEIVES,
    ),
    **dict.fromkeys(
        (
            *("transport_maps", "smtp_generic_maps", "canonical_maps"),
            *("sender_canonical_maps", "recipient_canonical_maps"),
            *("virtual_alias_maps", "sender_dependent_relayhost_maps"),
            *("header_checks", "smtp_header_checks", "always_bcc", "default_transport"),
            *("relay_transport", "sender_dependent_default_transport_maps"),
        ),
        _LATER,
    ),
    **dict.fromkeys(
        ("maillog_file", "smtp_tls_loglevel", "syslog_name", "notify_classes"),
        _JOURNAL,
    ),
    "queue_run_delay": "each mail has its own time: first_retry of [queue]",
    "bounce_queue_lifetime": "a report has the time of all mail: give_up_after",
    "smtp_bind_address": "the address to send from cannot be chosen",
    "smtp_fallback_relay": "see relay of [route NAME], which takes several",
}
