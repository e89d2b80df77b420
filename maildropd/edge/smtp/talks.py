# SPDX-License-Identifier: Apache-2.0
"""The sessions that are under way, so that a stop can tell them."""

from maildropd.edge.smtp.session import Session


class Talks:
    """All sessions of one process; used in its main loop."""

    def __init__(self) -> None:
        """Nobody talks yet."""
        self._present: set[Session] = set()
        self._stopping = False

    async def run(self, session: Session) -> None:
        """Let a session talk to its end."""
        self._present.add(session)
        if self._stopping:  # it was accepted just before
            session.stop()
        try:
            await session.run()
        finally:
            self._present.discard(session)

    def stop(self) -> None:
        """Let each session end what it has begun, and begin no more."""
        self._stopping = True
        for session in self._present:
            session.stop()
