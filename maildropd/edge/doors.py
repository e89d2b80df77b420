# SPDX-License-Identifier: Apache-2.0
"""The sockets through which programs hand over mail, all of them.

systemd holds them where it can; otherwise they are made, and go with us.
A door that cannot be opened closes no other.
"""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maildropd.edge.listener import Crowd, Door, Listener
from maildropd.host import sockets
from maildropd.mail.event import Journal
from maildropd.mail.service_events import DoorClosed

_FOR_ALL = 0o666
_PASSABLE = 0o755
_BACKLOG = 1024
_PATIENCE = 10.0  # seconds for what is being stored at a stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A door, and where it is if nobody holds its socket for us."""

    door: Door
    path: Path


class Doors:
    """Opens and closes them all."""

    def __init__(
        self,
        places: Sequence[Place],
        inherited: Mapping[str, Sequence[socket.socket]],
        crowd: Crowd,
        journal: Journal,
    ) -> None:
        """Take what stands behind each; ``inherited`` sockets by the door's name."""
        self._places = places
        self._inherited = inherited
        self._crowd = crowd
        self._journal = journal
        self._listeners: list[Listener] = []
        self._made: list[Path] = []

    async def start(self) -> None:
        """Begin to accept wherever that is possible."""
        for place in self._places:
            for one in self._sockets(place):
                listener = Listener(one, place.door, self._crowd, self._journal)
                self._listeners.append(listener)
                listener.start()

    async def close(self) -> None:
        """Accept no more, and let what is being stored come to its end."""
        listeners, self._listeners = self._listeners, []
        for path in self._made:
            with suppress(OSError):
                os.unlink(path)
        await asyncio.gather(*(each.close(_PATIENCE) for each in listeners))

    def _sockets(self, place: Place) -> Sequence[socket.socket]:
        if held := self._inherited.get(place.door.name):
            return held
        try:
            _make_open(place.path.parent)
            made = sockets.listen(place.path, _FOR_ALL, _BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            self._journal.emit(
                DoorClosed(door=place.door.name, path=str(place.path), reason=reason)
            )
            return ()
        self._made.append(place.path)
        return (made,)


def _make_open(folder: Path) -> None:
    """Make a folder through which everybody gets to the socket in it.

    One that is there is somebody's decision; a new one would be ours alone,
    by the umask that keeps the store from others.
    """
    if not folder.is_dir():
        os.makedirs(folder)
        os.chmod(folder, _PASSABLE)
