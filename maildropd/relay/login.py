# SPDX-License-Identifier: Apache-2.0
"""Who we are at a relay, and the secret that proves it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A name and its password; the password never shows."""

    username: str
    password: str = field(repr=False)
