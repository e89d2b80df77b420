# SPDX-License-Identifier: Apache-2.0
"""What the tests of the client stand on: a server, a drop, and two ways to submit."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from maildropd import api
from tests.fakes.submission_server import SubmissionServer

Submit = Callable[..., api.Receipt]


@pytest.fixture(params=["DATA", "XDATA"])
def server(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[SubmissionServer]:
    """Any server of ESMTP, and one that takes all of a mail at once."""
    xdata = request.param == "XDATA"
    with SubmissionServer(tmp_path / "run", xdata=xdata) as server:
        yield server


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    drop = tmp_path / "drop"
    drop.mkdir()
    return drop


@pytest.fixture
def door(tmp_path: Path, drop: Path) -> api.Door:
    return api.Door(run=tmp_path / "run", drop=drop)


@pytest.fixture(params=["threads", "asyncio"])
def submit(request: pytest.FixtureRequest, door: api.Door) -> Submit:
    """Both ways are the same to whoever submits."""
    if request.param == "threads":
        return partial(api.submit, door=door)

    def submit(*values: Any, **more: Any) -> api.Receipt:
        return asyncio.run(api.submit_async(*values, **{"door": door} | more))

    return submit
