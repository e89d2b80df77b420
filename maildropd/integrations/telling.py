# SPDX-License-Identifier: Apache-2.0
"""What happens when it is too late to fail: it is told, and nothing is stopped.

An error in the last phase of a transaction would leave databases that have
committed beside others that have not, whatever kind of error a mailer raises.
"""

import logging
from types import TracebackType


class Told:
    """A context that ends in a line of log, and never in an error of the work."""

    def __init__(self, what: str) -> None:
        """Say what was to be done to the mail."""
        self._what = what

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> bool:
        """Let a wish to end the process through."""
        if not isinstance(error, Exception):
            return False
        log().error("mail could not be %s", self._what, exc_info=error)
        return True


def log() -> logging.Logger:
    """Return where it is told."""
    return logging.getLogger("maildropd.integrations")
