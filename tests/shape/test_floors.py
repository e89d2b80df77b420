# SPDX-License-Identifier: Apache-2.0
"""Import only from floors below; each foreign library has one home."""

import pytest

from tests.shape.floors import complaints, read_floors, starters
from tests.shape.house import ROOT, Source, source, sources

FLOORS = read_floors(ROOT / "setup.cfg")
HOUSE = sources("maildropd")


def test_every_import_goes_down() -> None:
    assert list(complaints(HOUSE, FLOORS)) == []


def test_threads_and_tasks_are_started_only_where_they_are_looked_after() -> None:
    assert list(starters(HOUSE)) == []


def test_every_planned_floor_that_has_come_has_lost_its_parentheses() -> None:
    """A layer in parentheses may be missing; once it is there it may not."""
    layers = (ROOT / "setup.cfg").read_text("utf-8")
    there = {path.stem for path in (ROOT / "maildropd").iterdir()}

    assert [name for name in sorted(there) if f"({name})" in layers] == []


def test_every_home_of_a_library_is_there() -> None:
    modules = {part.module for part in HOUSE}

    for library, homes in FLOORS.homes.items():
        assert homes <= modules, library


@pytest.mark.parametrize(
    "broken",
    [
        source("maildropd/mail/x.py", "import maildropd.store.base"),
        source("maildropd/mail/x.py", "from maildropd import store"),
        source("maildropd/mail/x.py", "def f():\n    from ..store import base"),
        source("maildropd/route/x.py", "from maildropd.relay.smtp import Smtp"),
        source("maildropd/relay/x.py", "from maildropd.edge import control"),
        source("maildropd/nowhere/x.py", "import os"),
        source("maildropd/cli/x.py", "from maildropd.nowhere import y"),
        source("maildropd/mail/x.py", "from systemd import journal"),
        source("maildropd/cli/x.py", "import daemon.pidfile"),
    ],
)
def test_a_wrong_import_is_found(broken: Source) -> None:
    assert len(list(complaints([broken], FLOORS))) == 1


@pytest.mark.parametrize(
    "right",
    [
        source("maildropd/__init__.py", ""),
        source("maildropd/store/x.py", "from maildropd.mail.reply import Reply"),
        source("maildropd/store/x.py", "from . import base"),
        source("maildropd/store/x.py", "import os, sqlite3"),
        source("maildropd/cli/x.py", "from maildropd import __version__, daemon"),
        source("maildropd/cli/x.py", "from maildropd.daemon import compose"),
    ],
)
def test_a_right_import_is_left_alone(right: Source) -> None:
    assert list(complaints([right], FLOORS)) == []


def test_a_thread_in_the_wrong_place_is_found() -> None:
    text = "import threading\nthreading.Thread(target=print).start()"

    assert list(starters([source("maildropd/relay/x.py", text)]))
    assert not list(starters([source("maildropd/queue/manager.py", text)]))
