# SPDX-License-Identifier: Apache-2.0
"""What is the custom in one kind of directory: whose a name is, and for how long.

There are two: the drop, whose writers lock (drop.py), and the Maildir, whose
other readers do (maildir.py).
"""

import os
from collections.abc import Callable, Iterator
from typing import Protocol

from maildropd.edge.spool.draft import Draft
from maildropd.edge.spool.sight import Sight


class Scan(Iterator[os.DirEntry[str]], Protocol):
    """What ``os.scandir`` returns."""

    def close(self) -> None:
        """Let go of the directory."""
        ...


class Forms(Protocol):
    """The forms that a file may have, told by content."""

    def is_complete(self, head: bytes) -> bool:
        """Tell whether the head of a file holds all that ``read`` looks at."""
        ...

    def read(self, head: bytes, recipient_limit: int) -> Draft:
        """Read the envelope; raise ``Malformed`` where there is none to be had."""
        ...


class Custom(Protocol):
    """How one kind of directory is used; by its pickup thread alone."""

    @property
    def forms(self) -> Forms:
        """The forms its files may have."""
        ...

    @property
    def is_shared(self) -> bool:
        """Tell whether others send from it, who may be able to read what we cannot."""
        ...

    def is_mail(self, name: bytes) -> bool:
        """Tell whether a name may be a mail's."""
        ...

    def freed(self, name: bytes) -> bytes | None:
        """Return the mail that may be taken now that this name is gone."""
        ...

    def scan(self, directory: int) -> Scan:
        """Begin to look through the directory."""
        ...

    def may_take(self, directory: int, sight: Sight) -> bool:
        """Tell whether nobody has it now; see to it that it comes up again."""
        ...

    def claim(self, directory: int, sight: Sight) -> None:
        """Keep others from it; raise ``NotYet`` if one was faster."""
        ...

    def is_ours(self, directory: int, sight: Sight) -> bool:
        """Tell whether nobody has come for it since it was claimed."""
        ...

    def release(self, directory: int, sight: Sight) -> None:
        """Undo ``claim``, if there was one; never raise."""
        ...

    def key(self, sight: Sight, digest: Callable[[], str]) -> str:
        """Return the submission key; ``digest`` is of its content."""
        ...

    def is_still(self, directory: int, sight: Sight, key: str) -> bool:
        """Tell whether the name stands for what was read; raise ``OSError``."""
        ...
