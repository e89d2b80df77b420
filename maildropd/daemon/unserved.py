# SPDX-License-Identifier: Apache-2.0
"""A spool that nobody works in, and says so."""

from maildropd.config.model import SpoolConfig


class Unserved:
    """An ``Intake`` for which there are no file descriptors."""

    def __init__(self, config: SpoolConfig) -> None:
        """Stand for a spool."""
        self._config = config

    def start(self) -> None:
        """Do nothing: its mail waits where it is."""

    def stop(self) -> None:
        """Do nothing."""

    def status(self) -> dict[str, object]:
        """Return name, path and condition, for people."""
        return {
            "name": self._config.name,
            "path": str(self._config.path),
            "works": False,
            "condition": "too few file descriptors (LimitNOFILE=)",
        }
