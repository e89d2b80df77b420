# SPDX-License-Identifier: Apache-2.0
"""Who we are at each relay, built: a name with its password, or with tokens."""

from pathlib import Path

from maildropd.config.errors import ConfigErrors, Mistake, Place
from maildropd.config.model import Config
from maildropd.config.relay import Grant, RelayConfig
from maildropd.daemon.engine import Surroundings
from maildropd.host import credentials
from maildropd.relay.identity.login import Login, Tokens
from maildropd.relay.identity.token_request import Endpoint
from maildropd.relay.identity.token_state import TokenState
from maildropd.relay.identity.tokens import RenewedTokens, TokenFile


def login_at(relay: RelayConfig, config: Config, around: Surroundings) -> Login | None:
    """Return who we are at a relay; raise ``ConfigErrors`` without the secret."""
    if not relay.username:
        return None
    try:
        if relay.has_tokens:
            tokens = _tokens(relay, config, around)
            return Login(username=relay.username, tokens=tokens)
        password = _secret(relay.password_credential, relay.password_file)
    except credentials.SecretUnavailable as error:
        place = Place(file=config.source)
        raise ConfigErrors([Mistake(place=place, text=str(error))]) from error
    return Login(username=relay.username, password=password)


def _tokens(relay: RelayConfig, config: Config, around: Surroundings) -> Tokens:
    if relay.token_file:
        return TokenFile(relay.token_file)
    first = ""
    if relay.oauth_grant is Grant.REFRESH:
        first = _secret(
            relay.oauth_refresh_token_credential, relay.oauth_refresh_token_file
        )
    endpoint = Endpoint(
        url=relay.oauth_token_endpoint,
        client_id=relay.oauth_client_id,
        client_secret=_secret(
            relay.oauth_client_secret_credential, relay.oauth_client_secret_file
        ),
        scope=relay.oauth_scope,
        ca_file=relay.oauth_ca_file,
    )
    path = config.daemon.state_directory / "oauth" / f"{relay.name}.json"
    origin = (endpoint.url, endpoint.client_id, endpoint.scope, relay.oauth_grant)
    state = TokenState(path, origin, first)
    destination = relay.destination
    return RenewedTokens(destination, endpoint, state, around.clock, around.journal)


def _secret(credential: str, file: Path | None) -> str:
    """Return it from where it is; nothing if it is nowhere."""
    if file:
        return credentials.of_file(file)
    return credentials.of_service(credential) if credential else ""
