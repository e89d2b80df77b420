# SPDX-License-Identifier: Apache-2.0
"""One mail as it lies in the queue of another system, read and not touched.

What is not "ready" has a reason: "held" is mail that must not leave by itself
(it is locked, or was refused for good), "unreadable" is no mail that we know.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["ready", "held", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """What one file, or one pair of files, of a foreign queue holds.

    Of an unreadable one ``content`` is what could be read, perhaps nothing.
    ``also`` are the files that belong to it and leave together with it: a lock,
    the other half of a pair.
    """

    path: Path
    state: State
    why: str = ""
    reverse_path: str | None = None  # None is the null reverse-path, "<>"
    recipients: tuple[str, ...] = ()
    content: bytes = b""  # with the line ends it has there
    also: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what nobody could explain or deliver."""
        if (self.state == "ready") == bool(self.why):
            raise ValueError("whatever is not ready says why, and nothing else")
        if self.state != "unreadable" and not self.recipients:
            raise ValueError("mail that goes to nobody is unreadable")
