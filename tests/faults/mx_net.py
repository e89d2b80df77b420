# SPDX-License-Identifier: Apache-2.0
"""A network of its own with a zone, and mail servers at port 25 of its addresses.

As in server_names.py: needs root.
"""

import socket
from pathlib import Path
from typing import Self

from tests.fakes.name_server import NameServer, Zone
from tests.faults.server_names import Namespace

ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


class MailNet(Namespace):
    """Serves a zone; ``listeners`` are at port 25, by address."""

    def __init__(self, folder: Path, zone: Zone) -> None:
        """Prepare; ``with`` answers questions."""
        folder.mkdir()
        super().__init__(folder, "timeout:1 attempts:1")
        self.zone = zone

    def _make(self) -> None:
        super()._make()
        self.listeners = {
            address: socket.create_server((address, 25), backlog=100)
            for address in ADDRESSES
        }

    def __enter__(self) -> Self:
        """Begin to answer."""
        self._server = NameServer(self.zone, self._names)
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the network."""
        self._server.__exit__()
        self.close()
