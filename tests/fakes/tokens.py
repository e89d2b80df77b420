# SPDX-License-Identifier: Apache-2.0
"""Sources of OAuth tokens that need no endpoint."""

from maildropd.relay.base import Alive


class FixedToken:
    """Gives these tokens in their order; the last one again and again."""

    def __init__(self, *tokens: str) -> None:
        """Take at least one."""
        self._tokens = list(tokens)
        self.told: list[str] = []  # what was refused

    def token(self, alive: Alive) -> str:
        """Return the present one."""
        return self._tokens[0]

    def refused(self, token: str) -> bool:
        """Go on to the next one, if there is one."""
        self.told.append(token)
        more = len(self._tokens) > 1
        if more:
            self._tokens.pop(0)
        return more
