# SPDX-License-Identifier: Apache-2.0
"""Every command of every migration guide works, and no mail is lost on the way."""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.smtp_server import SmtpServer
from tests.integration import guides as guides_module
from tests.integration import old_systems
from tests.integration.guides import GUIDES, Host, commands


@dataclass(frozen=True, kw_only=True)
class Move:
    """An old system: how it is prepared, and what becomes of its mails."""

    prepare: Callable[[Host], None]
    ready: int = 0
    held: int = 0
    broken: int = 0


MOVES: Mapping[str, Move] = {
    "maildrophost": Move(
        prepare=old_systems.maildrophost,
        ready=old_systems.ALL - old_systems.LOCKED - old_systems.BROKEN,
        held=old_systems.LOCKED,
        broken=old_systems.BROKEN,
    ),
    "gs.email": Move(prepare=old_systems.gs_email, ready=20, held=5, broken=3),
    "nullmailer": Move(prepare=old_systems.nullmailer, ready=20, held=5, broken=3),
    "msmtp": Move(prepare=old_systems.msmtp, ready=20, broken=3),
    "ssmtp": Move(prepare=old_systems.ssmtp),
    "dma": Move(prepare=old_systems.dma, ready=20, broken=3),
    "postfix": Move(prepare=old_systems.postfix, ready=20, held=5, broken=3),
}


@pytest.fixture
def smarthost() -> Iterator[SmtpServer]:
    """Take mail from who knows the password of the old system."""
    with SmtpServer(users={old_systems.USER: old_systems.PASSWORD}) as server:
        yield server


@pytest.fixture
def host(tmp_path: Path, smarthost: SmtpServer) -> Iterator[Host]:
    host = Host(tmp_path / "host", smarthost.port)
    yield host
    host.stop()


# A buildout needs zc.buildout itself: see tests/frameworks/test_infrae_guide.py.
ELSEWHERE = ("README", "infrae.maildrophost")


def guides() -> list[str]:
    names = (path.stem for path in GUIDES.glob("*.md"))
    return sorted(name for name in names if name not in ELSEWHERE)


def test_every_guide_is_followed_here() -> None:
    assert set(guides()) <= set(MOVES)


@pytest.mark.parametrize("name", guides())
def test_whoever_follows_a_guide_has_all_mail_delivered_held_or_quarantined(
    host: Host, smarthost: SmtpServer, name: str
) -> None:
    move = MOVES[name]
    move.prepare(host)

    host.follow(f"{name}.md")
    host.daemon.wait_for("MessageDone", move.ready + 1)  # and the mail at the end

    held = Counter(
        re.findall(r'"state": "(\w+)"', host.daemon.control("queue", "--json").stdout)
    )
    reasons = list(host.path("/etc/maildrop/quarantine").glob("*.reason"))
    delivered = smarthost.delivered
    assert len(delivered) == move.ready + 1
    assert held.get("hold", 0) == move.held
    assert len(reasons) == move.broken
    assert {taken.user for taken in delivered} == {old_systems.USER}
    assert any(b"\r\nIt works.\r\n" in taken.content for taken in delivered)


@pytest.mark.parametrize("name", guides())
def test_a_guide_says_what_it_would_do_before_it_does_it(name: str) -> None:
    said = list(commands(f"{name}.md"))

    shown = [line for line in said if "import-config" in line and "--write" not in line]
    written = [line for line in said if "--write" in line]
    assert shown
    assert said.index(shown[0]) < said.index(written[0])
    removed = [line for line in said if "--remove" in line]
    for line in removed:
        assert line.replace("--remove", "--dry-run") in said[: said.index(line)]


@pytest.mark.parametrize("system", ["zope.sendmail", "repoze.sendmail"])
def test_the_guide_of_gs_email_moves_the_other_two_by_their_names(
    host: Host, smarthost: SmtpServer, system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so itself: their name for its name, and their file for its file."""
    move = MOVES["gs.email"]
    move.prepare(host)
    host.write("/srv/gs/etc/gsconfig.ini", old_systems.queue_ini(host, system))
    text = (GUIDES / "gs.email.md").read_text("utf-8")
    for command in ("import-config", "import-queue"):
        text = text.replace(f"{command} gs.email", f"{command} {system}")
    host.write("/guides/other.md", text)
    monkeypatch.setattr(guides_module, "GUIDES", host.path("/guides"))

    host.follow("other.md")
    host.daemon.wait_for("MessageDone", move.ready + 1)

    assert len(smarthost.delivered) == move.ready + 1
    assert {taken.user for taken in smarthost.delivered} == {old_systems.USER}
