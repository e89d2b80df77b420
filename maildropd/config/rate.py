# SPDX-License-Identifier: Apache-2.0
"""So much in a time."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So much in a stretch of time; written ``100/h``."""

    amount: int
    period: timedelta
