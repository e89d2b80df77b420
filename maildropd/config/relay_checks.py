# SPDX-License-Identifier: Apache-2.0
"""What the keys that say who we are, and to whom, must keep to together."""

from collections.abc import Iterator
from dataclasses import fields

from maildropd.config.relay import Auth, Grant, RelayConfig, Tls

Words = tuple[str, str]
"""The key, and what is wrong with it."""


def identity(relay: RelayConfig) -> Iterator[Words]:
    """Yield everything that does not fit together."""
    yield from _login(relay)
    yield from _tokens(relay)
    if relay.oauth_token_endpoint:
        yield from _endpoint(relay)
    yield from _tls(relay)


def _login(relay: RelayConfig) -> Iterator[Words]:
    if relay.username and not (relay.has_password or relay.has_tokens):
        yield "username", "needs password_credential or password_file"
    tokens = (Auth.OAUTHBEARER, Auth.XOAUTH2)
    if relay.has_password and relay.auth in tokens:
        yield "auth", "takes no password (try oauth_token_endpoint or token_file)"
    if relay.has_tokens and relay.auth not in (Auth.AUTO, *tokens):
        yield "auth", "takes no token (try auto)"


def _tokens(relay: RelayConfig) -> Iterator[Words]:
    key = "oauth_token_endpoint" if relay.oauth_token_endpoint else "token_file"
    if relay.has_tokens and not relay.username:
        yield key, "needs username"
    if relay.has_tokens and relay.has_password:
        yield key, "and a password exclude each other"
    if relay.token_file and relay.oauth_token_endpoint:
        yield "token_file", "and oauth_token_endpoint exclude each other"
    if not relay.oauth_token_endpoint:
        for each in fields(relay):
            if (
                each.name.startswith("oauth_")
                and getattr(relay, each.name) != each.default
            ):
                yield each.name, "needs oauth_token_endpoint"


def _endpoint(relay: RelayConfig) -> Iterator[Words]:
    """A key and its twin, of which one is needed, and never both."""
    if not relay.oauth_client_id:
        yield "oauth_token_endpoint", "needs oauth_client_id"
    secret = relay.oauth_client_secret_credential or relay.oauth_client_secret_file
    if relay.oauth_client_secret_credential and relay.oauth_client_secret_file:
        words = "and oauth_client_secret_credential exclude each other"
        yield "oauth_client_secret_file", words
    refresh = relay.oauth_refresh_token_credential or relay.oauth_refresh_token_file
    if relay.oauth_refresh_token_credential and relay.oauth_refresh_token_file:
        words = "and oauth_refresh_token_credential exclude each other"
        yield "oauth_refresh_token_file", words
    if relay.oauth_grant is Grant.CLIENT:
        if not secret:
            yield "oauth_grant", "needs oauth_client_secret_credential or ..._file"
        if refresh:
            yield "oauth_grant", "has no refresh token"
    elif not refresh:
        words = "needs oauth_refresh_token_credential or ..._file"
        yield "oauth_token_endpoint", words


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
