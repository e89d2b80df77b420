# SPDX-License-Identifier: Apache-2.0
"""How to reach who answers: the daemon if it runs, else the store itself."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from maildropd.cli.desk import DaemonDesk, Desk, Failed
from maildropd.cli.words import count
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.model import DaemonConfig
from maildropd.config.read import read
from maildropd.host import sockets

_CONNECT = 10  # seconds
_PATIENCE = 900  # the daemon has a limit of its own, which is shorter


@contextmanager
def open_desk(layout: Layout, *, alone: bool = True) -> Iterator[Desk]:
    """Find who answers; ``alone`` allows for the store without the daemon."""
    daemon = _daemon(layout)
    control = daemon.runtime_directory / "control"
    try:
        connection = sockets.connect(control, _CONNECT)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        if not alone:
            raise Failed("maildropd is not running") from error
    except PermissionError as error:
        text = f"{control}: permission denied (only root and the daemon's user may)"
        raise Failed(text) from error
    except OSError as error:
        raise Failed(f"{control}: {error.strerror or error}") from error
    else:
        connection.settimeout(_PATIENCE)
        with connection:
            yield DaemonDesk(connection)
        return
    # Only needed without a daemon, and it takes a while.
    from maildropd.cli.store_desk import open_desk_on_store

    print("maildropd is not running, this is its store", file=sys.stderr)
    with open_desk_on_store(daemon) as desk:
        yield desk


def _daemon(layout: Layout) -> DaemonConfig:
    """Return the daemon's places, the default ones if the configuration is wrong.

    A daemon goes on with what it had when a file is spoiled, and can be asked.
    """
    try:
        return read(layout).daemon
    except ConfigErrors as errors:
        number = count(len(errors.mistakes), "mistake")
        print(
            f"{layout.config}: has {number} (try maildropctl check), "
            "looking in the default places",
            file=sys.stderr,
        )
        return DaemonConfig(
            state_directory=layout.state, runtime_directory=layout.runtime
        )
