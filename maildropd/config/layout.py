# SPDX-License-Identifier: Apache-2.0
"""Where everything lies when the configuration does not say.

Three cases: the host's own daemon, a named instance of it, and a folder of
somebody's own that holds everything.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

SYSTEM = Path("/etc/maildrop")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The default places of one daemon."""

    config: Path  # the main file; "<stem>.conf.d" beside it holds the rest
    state: Path
    runtime: Path
    sockets: Path  # not in runtime: systemd holds them while the daemon is away
    drop: Path
    quarantine: Path

    @classmethod
    def of_host(cls, instance: str = "") -> Self:
        """Return the places of the host's daemon, or of a named instance."""
        suffix = f"-{instance}" if instance else ""
        spool = Path(f"/var/spool/maildrop{suffix}")
        return cls(
            config=SYSTEM / f"{instance or 'maildropd'}.conf",
            state=Path(f"/var/lib/maildropd{suffix}"),
            runtime=Path(f"/run/maildropd{suffix}"),
            sockets=Path(f"/run/maildrop{suffix}"),
            drop=spool / "drop",
            quarantine=spool / "quarantine",
        )

    @classmethod
    def of_path(cls, path: Path) -> Self:
        """Return the places for a configuration file or folder.

        A file in /etc/maildrop means the host's daemon or its instance; any
        other has everything in its own folder.
        """
        path = path.absolute()
        config = path / "maildropd.conf" if path.is_dir() else path
        folder = config.parent
        if folder == SYSTEM:
            return cls.of_host("" if config.stem == "maildropd" else config.stem)
        return cls(
            config=config,
            state=folder / "state",
            runtime=folder / "run",
            sockets=folder / "run",
            drop=folder / "drop",
            quarantine=folder / "quarantine",
        )
