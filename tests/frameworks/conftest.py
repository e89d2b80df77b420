# SPDX-License-Identifier: Apache-2.0
"""What the tests of all frameworks share."""

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.post import Post
from tests.integration.daemon import DaemonProcess


@pytest.fixture
def post(daemon: DaemonProcess, server: SmtpServer) -> Post:
    """Lend a drop with a daemon that has not been started."""
    return Post(daemon, server)
