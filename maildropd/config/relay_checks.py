# SPDX-License-Identifier: Apache-2.0
"""What the keys that say who we are, and to whom, must keep to together."""

from collections.abc import Iterator

from maildropd.config.relay import RelayConfig, Tls

Words = tuple[str, str]
"""The key, and what is wrong with it."""


def identity(relay: RelayConfig) -> Iterator[Words]:
    """Yield everything that does not fit together."""
    yield from _tls(relay)


def _tls(relay: RelayConfig) -> Iterator[Words]:
    if relay.tls_certificate and relay.tls_certificate_credential:
        words = "and tls_certificate_credential exclude each other"
        yield "tls_certificate", words
    if relay.tls_key and not relay.tls_certificate:
        yield "tls_key", "needs tls_certificate"
    if relay.tls_fingerprint and relay.tls not in (Tls.REQUIRED, Tls.IMPLICIT):
        yield "tls_fingerprint", "needs tls = required or implicit"
    shown = relay.tls_certificate or relay.tls_certificate_credential
    if shown and relay.tls is Tls.NONE:
        key = "tls_certificate" if relay.tls_certificate else ""
        yield key or "tls_certificate_credential", "is shown in TLS only"
