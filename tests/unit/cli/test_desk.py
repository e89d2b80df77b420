# SPDX-License-Identifier: Apache-2.0
"""What an operator hears of a daemon that hangs up."""

import socket

import pytest

from maildropd.cli.desk import DaemonDesk, Failed


def test_what_the_daemon_says_before_it_hangs_up_is_heard() -> None:
    """Out of descriptors it does not wait for a request; that was a broken pipe."""
    ours, daemons = socket.socketpair()
    with ours:
        desk = DaemonDesk(ours)
        with daemons:
            daemons.sendall(b'{"ok": false, "error": "no descriptors left"}\n')

        with pytest.raises(Failed, match="no descriptors left"):
            desk.ask({"command": "status"})
