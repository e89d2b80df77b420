# SPDX-License-Identifier: Apache-2.0
"""A value in a file of another system, and where it stands."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidThere:
    """One value; it may be a password, and is not shown by itself."""

    value: str
    where: str  # "file:line"

    def __repr__(self) -> str:
        """Return no value."""
        return f"SaidThere({self.where})"
