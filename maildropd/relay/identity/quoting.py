# SPDX-License-Identifier: Apache-2.0
"""What others say may repeat what we told them: that is never quoted."""

from collections.abc import Iterable

WITHHELD = "(text withheld: it repeats the secret)"

_PART = 8  # characters of a secret that nobody says by chance


def repeats(text: str, secrets: Iterable[str]) -> bool:
    """Tell whether a part of a secret is in a text: servers cut what they quote."""
    text = text.casefold()
    for secret in filter(None, map(str.casefold, secrets)):
        parts = range(max(len(secret) - _PART, 0) + 1)
        if any(secret[at : at + _PART] in text for at in parts):
            return True
    return False
