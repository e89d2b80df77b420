# SPDX-License-Identifier: Apache-2.0
"""What was read from the configuration of another system, said in our words."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A setting that has no equal here, or another meaning, and what to do."""

    where: str  # "config:12", the file as it was named and the line
    key: str
    text: str  # what becomes of it, and what to do instead

    def __str__(self) -> str:
        """Return the line that is shown."""
        return f"{self.where}: {self.key}: {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A configuration of ours that does what theirs did.

    ``config`` is the text of a file for maildropd.conf.d; ``secrets`` are to be
    files of mode 0600 with these names, which the text names as credentials.
    """

    config: str
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    remarks: tuple[Remark, ...] = ()
