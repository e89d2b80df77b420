# SPDX-License-Identifier: Apache-2.0
"""The operator's command, on a store at rest and through a daemon's socket."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from maildropd.cli.maildropctl import main
from maildropd.edge.control import Control
from maildropd.queue.operator import Operator
from tests.unit.control.queues import Queue, a_queue

ROOT = Path(__file__).parents[3]


@dataclass
class FakeService:
    """What only the daemon itself can answer."""

    errors: list[str] = field(default_factory=list)
    relay_works: bool = True

    def reload(self) -> list[str]:
        return self.errors

    def status(self) -> dict[str, object]:
        return {
            "version": "0.1.0",
            "pid": 4711,
            "since": datetime.now(UTC).isoformat(),
            "config": "/etc/maildrop/maildropd.conf",
            "counts": {"ready": 1, "deferred": 2, "hold": 0, "failed": 0},
            "oldest": None,
            "in_flight": 3,
            "relays": [
                {
                    "destination": "mx.example.net:25",
                    "works": self.relay_works,
                    "reply": None if self.relay_works else "451 no route",
                    "retry_in": None if self.relay_works else 90.0,
                    "connections": 2,
                    "in_flight": 1,
                }
            ],
            "spools": [
                {
                    "name": "drop",
                    "path": "/var/spool/maildrop/drop",
                    "works": True,
                    "condition": "inotify",
                }
            ],
        }


@dataclass
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


Ctl = Callable[..., Said]
Work = Callable[[], Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "maildropd.conf").write_text("")
    return tmp_path


@pytest.fixture
def ctl(folder: Path, capsys: pytest.CaptureFixture[str]) -> Ctl:
    def ctl(*argv: str) -> Said:
        code = main(["--config", str(folder), *argv])
        out, err = capsys.readouterr()
        return Said(code, out, err)

    return ctl


@pytest.fixture
def beside_a_daemon(folder: Path) -> Callable[..., Said]:
    """Run a command while a daemon serves the control socket."""

    async def served(
        queue: Queue, service: FakeService, work: Callable[[], Said]
    ) -> Said:
        operator = Operator(queue.store, queue.journal, queue.clock)
        door = Control(folder / "run" / "control", operator, service)
        await door.start()
        try:
            return await asyncio.to_thread(work)
        finally:
            await door.close()

    def run(work: Work, service: FakeService | None = None) -> Said:
        with a_queue(folder) as queue:
            queue.add("bob@example.net")
            return asyncio.run(served(queue, service or FakeService(), work))

    return run


def test_a_store_at_rest_is_listed(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        first = queue.add("bob@example.net", "someone.else@example.net")
        queue.defer()
        second = queue.add("eve@example.net", sender=None)

    said = ctl("queue")

    assert said.code == 0
    assert said.err == "maildropd is not running, this is its store\n"
    heading, *lines, totals = said.out.splitlines()
    assert heading.split() == ["ID", "SIZE", "AGE", "SENDER"]
    assert [line.split() for line in lines] == [
        [first, "22", *_age(lines[0]), "ann@example.org"],
        ["bob@example.net", "deferred", "now", "451", "4.7.1", "greylisted"],
        ["someone.else@example.net", "deferred", "now", "451", "4.7.1", "greylisted"],
        [second, "22", *_age(lines[3]), "<>"],
        ["eve@example.net", "ready", "now"],
    ]
    assert totals == "2 messages, 3 recipients: 2 deferred, 1 ready"


def _age(line: str) -> list[str]:
    return line.split()[2:-1]


def test_an_empty_queue_is_said_to_be_empty(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder):
        pass

    assert ctl("queue").out == "the queue is empty\n"


def test_programs_get_one_object_a_line(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        names = [queue.add() for _ in range(3)]

    said = ctl("queue", "--json")

    messages = [json.loads(line) for line in said.out.splitlines()]
    assert [message["id"] for message in messages] == names
    assert set(messages[0]) == {
        "id",
        "sender",
        "size",
        "arrived",
        "give_up",
        "submitter",
        "submitter_uid",
        "message_id",
        "recipients",
    }


def test_a_queue_of_many_pages_is_listed_whole(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        names = queue.add_many(1001)

    said = ctl("queue", "--json")

    assert [json.loads(line)["id"] for line in said.out.splitlines()] == names


def test_a_message_is_shown(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        name = queue.add("bob@example.net")
        queue.defer()

    said = ctl("show", name.lower())

    assert said.code == 0
    assert f"id          {name}\n" in said.out
    assert "submitter   spool=drop uid=1000\n" in said.out
    assert "size        22 octets\n" in said.out
    assert "reply       451 4.7.1 greylisted, said mx.example.net:25\n" in said.out


@pytest.mark.parametrize("command", ["show", "hold", "release", "remove", "flush"])
def test_an_unknown_message_is_told(command: str, folder: Path, ctl: Ctl) -> None:
    with a_queue(folder):
        pass

    said = ctl(command, "0123456789AB")

    assert said.code == 1
    assert said.err.endswith("\n0123456789AB: is not in the queue\n")


def test_what_can_be_done_is_done_although_some_cannot(folder: Path, ctl: Ctl) -> None:
    with a_queue(folder) as queue:
        names = [queue.add(), queue.add()]

    said = ctl("remove", names[0], "0123456789AB", names[1])

    assert said.code == 1
    assert ctl("queue").out == "the queue is empty\n"


def test_hold_and_release_and_flush_work_on_a_store_at_rest(
    folder: Path, ctl: Ctl
) -> None:
    with a_queue(folder) as queue:
        name = queue.add("bob@example.net")
        queue.defer()

    assert ctl("hold", name).code == 0
    assert "1 recipient: 1 hold" in ctl("status").out
    assert ctl("release", name).code == 0
    assert "1 recipient: 1 deferred" in ctl("status").out
    assert ctl("flush").out.endswith("made due\n")


def test_without_a_store_there_is_nothing_to_look_at(folder: Path, ctl: Ctl) -> None:
    said = ctl("queue")

    assert said.code == 1
    assert said.err.endswith(f"{folder}/state: there is no store yet\n")
    assert not (folder / "state").exists()


def test_a_store_that_a_daemon_holds_is_left_alone(folder: Path, ctl: Ctl) -> None:
    """It is starting or stopping, and does not answer yet, or any more."""
    with a_queue(folder):
        said = ctl("queue")

    assert said.code == 1
    assert "Traceback" not in said.err


def test_a_reload_needs_a_daemon(ctl: Ctl) -> None:
    said = ctl("reload")

    assert said.code == 1
    assert said.err == "maildropd is not running\n"


def test_a_running_daemon_is_asked(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    said = beside_a_daemon(lambda: ctl("queue"))

    assert said.code == 0
    assert said.err == ""
    assert said.out.endswith("1 message, 1 recipient: 1 ready\n")


def test_the_status_tells_of_queue_relay_and_spools(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    said = beside_a_daemon(lambda: ctl("status"))

    assert said.code == 0
    assert said.out.startswith("maildropd   0.1.0, pid 4711, running for ")
    assert said.out.splitlines()[1:] == [
        "config      /etc/maildrop/maildropd.conf",
        "queue       3 recipients: 1 ready, 2 deferred",
        "relay       mx.example.net:25: works, 2 connections, 1 message in flight",
        "spool       drop: /var/spool/maildrop/drop, inotify",
    ]


def test_the_status_tells_of_a_relay_that_fails(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    service = FakeService(relay_works=False)

    said = beside_a_daemon(lambda: ctl("status"), service)

    assert (
        "mx.example.net:25: FAILS (451 no route), next try in 1min 30s, "
        "2 connections, 1 message in flight\n"
    ) in said.out


def test_a_reload_says_nothing_when_it_is_done(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    assert beside_a_daemon(lambda: ctl("reload")) == Said(0, "", "")


def test_a_reload_that_is_refused_says_why(
    ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    service = FakeService(errors=["maildropd.conf:1: no", "maildropd.conf:2: no"])

    said = beside_a_daemon(lambda: ctl("reload"), service)

    assert said.code == 1
    assert said.err == (
        "the configuration is refused\nmaildropd.conf:1: no\nmaildropd.conf:2: no\n"
    )


def test_a_spoiled_configuration_does_not_lock_the_operator_out(
    folder: Path, ctl: Ctl, beside_a_daemon: Callable[..., Said]
) -> None:
    """The daemon goes on with what it had."""
    (folder / "maildropd.conf").write_text("nonsense")

    said = beside_a_daemon(lambda: ctl("queue"))

    assert said.code == 0
    assert "(try maildropctl check)" in said.err


def test_check_says_everything_that_is_wrong(folder: Path, ctl: Ctl) -> None:
    (folder / "maildropd.conf").write_text("[queue]\nfirst_try = 1s\n[relais]\n")

    said = ctl("check")

    assert said.code == 78
    assert said.err.splitlines() == [
        (
            f"{folder}/maildropd.conf:2: first_try: unknown key in [queue] "
            "(try first_retry)"
        ),
        f"{folder}/maildropd.conf:3: [relais]: unknown section (try relay)",
    ]


def test_check_says_that_nothing_is_wrong(folder: Path, ctl: Ctl) -> None:
    said = ctl("check")

    assert said == Said(0, f"{folder}/maildropd.conf: no errors\n", "")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["dance"],
        ["show"],
        ["hold"],
        ["queue", "--xml"],
        ["--instance", "../x", "queue"],
        ["--instance", "a", "--config", "b", "queue"],
    ],
)
def test_a_wrong_command_line_is_told(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(argv)

    assert left.value.code == 64
    assert capsys.readouterr().err.startswith("usage: maildropctl")


def test_whoever_has_seen_enough_is_not_shouted_at(folder: Path) -> None:
    """maildropctl queue | head."""
    with a_queue(folder) as queue:
        queue.add_many(1001)
    program = "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())"

    with subprocess.Popen(
        [sys.executable, "-c", program, "--config", folder, "queue", "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        complaint = process.stderr.read()

    assert complaint == b"maildropd is not running, this is its store\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_leaves_no_file_that_the_daemon_could_not_use(folder: Path) -> None:
    with a_queue(folder) as queue:
        queue.add()
    for path in [folder / "state", *(folder / "state").rglob("*")]:
        os.chown(path, 4321, 4321)
    for path in [folder, *folder.parents[:2]]:
        path.chmod(0o755)
    program = "import sys; from maildropd.cli.maildropctl import main; sys.exit(main())"

    subprocess.run(
        [sys.executable, "-c", program, "--config", folder, "flush"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )

    owners = {path.stat().st_uid for path in (folder / "state").rglob("*")}
    assert owners == {4321}
