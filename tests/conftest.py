# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: its layer is its folder, and CI skips nothing."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.integration.daemon import DaemonProcess

TESTS = Path(__file__).parent
LAYERS = ("integration", "system")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        layer = item.path.relative_to(TESTS).parts[0]
        if layer in LAYERS:
            item.add_marker(layer)


# The old form of a wrapper: Debian 12 has pluggy 1.0, which knows no other.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, None]:
    """Where nothing may be skipped, what cannot run has failed."""
    result = yield
    report: pytest.TestReport = result.get_result()
    expected_to_fail = hasattr(report, "wasxfail")
    if report.skipped and not expected_to_fail and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"cannot run, and CI=true: {report.longrepr}"


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    """Serve as the smarthost, on loopback."""
    with SmtpServer() as server:
        yield server


@pytest.fixture
def daemon(tmp_path: Path, server: SmtpServer) -> Iterator[DaemonProcess]:
    """Lend a daemon with a folder of its own; whoever uses it starts it."""
    daemon = DaemonProcess(tmp_path, server.port)
    yield daemon
    daemon.stop()
