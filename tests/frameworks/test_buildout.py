# SPDX-License-Identifier: Apache-2.0
"""The recipe in a real zc.buildout, and the script that it makes."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zc.buildout

from maildropd.foreign.maildrophost.grammar import Value, load
from maildropd.integrations.buildout import Recipe
from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.buildout_stage import HOME, Buildout, installed, until

FIXTURES = HOME.parent / "shared" / "fixtures" / "infrae"
NONE = "No pidfile found.\n"
NOT = "MaildropHost is probably NOT running.\n"
STARTED = "MaildropHost STARTED.\n"
STOPPED = "MaildropHost STOPPED.\n"
PASSWORD = """it's "q" $x `id` \\ #; J\u00f6rg"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("installed"))


@pytest.fixture
def buildout(tmp_path: Path, site: Path) -> Iterator[Buildout]:
    buildout = Buildout(tmp_path, site)
    yield buildout
    buildout.end()


def values(path: Path) -> dict[str, Value]:
    return {name: value for name, (value, _) in load(path).items()}


def test_a_section_without_options_gives_the_file_of_infrae(buildout: Buildout) -> None:
    """Variable by variable, in its order, where one is here to compare with."""
    done = buildout.run()
    assert done.returncode == 0, done.stderr
    found = values(buildout.config)

    assert found["MAILDROP_SPOOL"] == str(buildout.spool)
    assert (found["SMTP_HOST"], found["SMTP_PORT"]) == ("localhost", 25)
    assert buildout.spool.is_dir()
    golden = FIXTURES / "maildrophost.cfg.defaults"
    if golden.exists():
        theirs = values(golden)
        python = {"PYTHON": found["PYTHON"]}
        moved = {
            name: value.replace("/srv/bo", str(buildout.folder))
            if isinstance(value, str)
            else value
            for name, value in theirs.items()
        }
        assert list(found.items()) == list((moved | python).items())


def test_every_option_has_its_variable(buildout: Buildout) -> None:
    done = buildout.run(
        mail_dir="mail",
        spool_dir="a; b",
        pid_file="run/pid",
        smtp_host="mail.example.org",
        smtp_port="587",
        login="zope",
        password=PASSWORD,
        tls="2",
        batch="7",
        add_messageid="1",
        poll_interval="5",
        wait_interval="0.25",
        supervised_daemon="1",
        **{"maildrophost.cfg": "etc.cfg"},
    )
    assert done.returncode == 0, done.stderr
    folder = buildout.folder
    found = values(folder / "etc.cfg")

    assert {name: found[name] for name in list(found)[1:]} == {
        "MAILDROP_HOME": f"{folder}/mail",
        "MAILDROP_VAR": f"{folder}/mail",
        "MAILDROP_SPOOL": f"{folder}/a;{folder}/b",
        "MAILDROP_PID_FILE": f"{folder}/run/pid",
        "SMTP_HOST": "mail.example.org",
        "SMTP_PORT": 587,
        "MAILDROP_INTERVAL": 5,
        "DEBUG": 0,
        "DEBUG_RECEIVER": "",
        "MAILDROP_BATCH": 7,
        "MAILDROP_TLS": 2,
        "MAILDROP_LOGIN": "zope",
        "MAILDROP_PASSWORD": PASSWORD,
        "WAIT_INTERVAL": 0.25,
        "ADD_MESSAGEID": 1,
        "SUPERVISED_DAEMON": 1,
    }
    assert [(folder / each).is_dir() for each in "ab"] == [True, True]


def test_a_password_can_be_read_by_its_owner_alone(buildout: Buildout) -> None:
    """Also where the file was open to all, and in what buildout notes of a part."""
    buildout.config.write_text("")
    buildout.config.chmod(0o644)
    for done in (buildout.run(login="u", password="s3cret"), buildout.again()):
        assert done.returncode == 0, done.stderr
        assert stat.S_IMODE(buildout.config.stat().st_mode) == 0o600
        assert values(buildout.config)["MAILDROP_PASSWORD"] == "s3cret"
        assert "s3cret" not in (buildout.folder / ".installed.cfg").read_text()
        assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize("option", ["maildrophost.cfg", "configuration"])
def test_other_sections_can_refer_to_the_file(buildout: Buildout, option: str) -> None:
    """As the manual of infrae.maildrophost has it in zope.conf."""
    buildout.write(
        "[maildrophost]\nrecipe = maildropd\n"
        "[other]\nrecipe = maildropd:maildrophost\n"
        f"mail_dir = ${{maildrophost:{option}}}.d\nmaildrophost.cfg = other.cfg\n",
        parts="other",
    )
    done = buildout.again()

    assert done.returncode == 0, done.stderr
    assert (Path(f"{buildout.config}.d") / "spool").is_dir()


def recipe(folder: Path, **options: str) -> Path:
    """Run the recipe as buildout does, within this process."""
    (folder / "bin").mkdir(exist_ok=True)
    places = {"directory": str(folder), "bin-directory": str(folder / "bin")}
    made = Recipe({"buildout": places}, "maildrophost", options).install()
    assert made == [str(folder / "maildrophost.cfg"), str(folder / "bin/maildrophost")]
    return Path(made[0])


@pytest.mark.parametrize("option", ["poll_interval", "pool_interval"])
def test_both_spellings_of_the_interval_count(tmp_path: Path, option: str) -> None:
    assert values(recipe(tmp_path, **{option: "7"}))["MAILDROP_INTERVAL"] == 7


def test_two_intervals_that_differ_are_an_error(buildout: Buildout) -> None:
    done = buildout.run(poll_interval="7", pool_interval="8")

    assert done.returncode != 0
    assert "poll_interval is 7, and pool_interval is 8" in done.stdout + done.stderr
    recipe(buildout.folder, poll_interval="7", pool_interval="7")


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("smtp_port", "smtp", "should be a whole number"),
        ("smtp_port", "70000", "out of range"),
        ("tls", "yes", "should be a whole number"),
        ("tls", "3", "out of range"),
        ("wait_interval", "", "should be a number of seconds"),
        ("batch", "1\n2", "should be a whole number"),
        ("batch", "1 B=2", "should be a whole number"),
        ("add_messageid", "on", "should be 0 or 1"),
        ("smtp_host", "a\0b", "is no text that can be written"),
    ],
)
def test_a_wrong_value_stops_buildout_and_says_why(
    tmp_path: Path, option: str, value: str, why: str
) -> None:
    with pytest.raises(zc.buildout.UserError, match=rf"^\[maildrophost\] .*{why}"):
        recipe(tmp_path, **{option: value})

    assert not (tmp_path / "maildrophost.cfg").exists()


def test_options_that_mean_nothing_are_told(buildout: Buildout) -> None:
    done = buildout.run(smtp_hots="x", target="y")

    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert "smtp_hots: is no option of this recipe (is it smtp_host?)" in said
    assert "target: was of use to version 1 only" in said


def test_what_is_in_the_spool_outlives_the_part(buildout: Buildout) -> None:
    """Buildout removes what a recipe names as its own."""
    buildout.run()
    buildout.drop("kept")
    buildout.write("", parts="")

    assert buildout.again().returncode == 0
    assert not buildout.config.exists()
    assert len(os.listdir(buildout.spool)) == 1


def test_the_verbs_answer_as_infraes_script_does(
    buildout: Buildout, server: SmtpServer
) -> None:
    buildout.run(smtp_host="127.0.0.1", smtp_port=str(server.port))

    assert buildout.control("status") == (1, NONE, NOT)
    assert buildout.control("stop") == (1, NONE, NOT)
    assert buildout.control("start") == (0, NONE + STARTED, "")
    running = f"MaildropHost is running with PID {buildout.pid}\n"
    assert buildout.control("status") == (0, running, "")
    already = f"MaildropHost is already running with PID {buildout.pid}.\n"
    assert buildout.control("start") == (1, "", already)
    first = buildout.pid
    assert buildout.control("restart") == (0, STOPPED + NONE + STARTED, "")
    assert buildout.pid != first
    assert buildout.daemons() == [buildout.pid]
    assert buildout.control("stop") == (0, STOPPED, "")
    assert not buildout.pid_file.exists()
    buildout.pid_file.write_text("garbage")
    invalid = "Invalid pidfile, file will be deleted.\n"
    assert buildout.control("status") == (1, invalid, NOT)
    assert not buildout.pid_file.exists()
    foreground = NONE + "Starting MaildropHost...\n"
    refused = (1, foreground, "error: SUPERVISED_DAEMON must be on\n")
    assert buildout.control("fg") == refused
    script = buildout.folder / "bin" / "maildrophost"
    usage = f"usage: {script} [start|fg|stop|restart|status]\n"
    for words in (["bogus"], [], ["start", "now"]):
        assert buildout.control(*words) == (1, usage, "")
    buildout.config.unlink()
    missing = "Could not find MaildropHost configuration.\n"
    assert buildout.control("start") == (1, "", missing)


def test_restart_starts_what_does_not_run(buildout: Buildout) -> None:
    """The original said no, and left the mail where it was."""
    buildout.run()

    assert buildout.control("restart") == (0, NONE + STARTED, "")
    assert buildout.daemons() == [buildout.pid]


def test_mail_is_delivered_and_told_in_maildrophosts_log(
    buildout: Buildout, server: SmtpServer
) -> None:
    buildout.run(smtp_host="127.0.0.1", smtp_port=str(server.port))
    buildout.drop("before")
    assert buildout.control("start")[0] == 0
    server.wait(lambda s: len(s.delivered) == 1)
    buildout.drop("after")
    server.wait(lambda s: len(s.delivered) == 2)
    assert buildout.control("stop")[0] == 0

    assert os.listdir(buildout.spool) == []
    log = (buildout.home / "maildrop.log").read_text()
    assert log.count("OK\t r@example.net\n") == 2
    # In any name: whoever can write into the spool always could.
    assert b"MAIL FROM:<s@x.example>" in b"\n".join(server.heard)


def test_it_starts_while_the_mail_server_is_down(buildout: Buildout) -> None:
    """The original ended at once, and its start had said that all was well."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    buildout.run(smtp_host="127.0.0.1", smtp_port=str(port))
    buildout.drop("waits")
    assert buildout.control("start") == (0, NONE + STARTED, "")
    until(lambda: os.listdir(buildout.spool) == [], "not taken")

    listener = socket.create_server(("127.0.0.1", port))
    with SmtpServer(listener=listener) as server:
        assert buildout.control("restart")[0] == 0
        server.wait(lambda s: len(s.delivered) == 1)


def test_after_a_crash_another_process_of_that_number_is_not_it(
    buildout: Buildout,
) -> None:
    buildout.run()
    assert buildout.control("start")[0] == 0
    os.kill(buildout.pid, signal.SIGKILL)
    until(lambda: buildout.daemons() == [], "it lives")
    buildout.pid_file.write_text(f"{os.getpid()}\n")

    assert buildout.control("status") == (1, "", NOT)
    assert buildout.control("stop") == (1, "", NOT)
    assert buildout.control("start") == (0, STARTED, "")


def test_one_daemon_works_in_a_spool(buildout: Buildout, tmp_path: Path) -> None:
    buildout.write(
        "[maildrophost]\nrecipe = maildropd\n"
        "[other]\nrecipe = maildropd\nmail_dir = other\nmaildrophost.cfg = other.cfg\n"
        "spool_dir = ${maildrophost:spool_dir}\n",
        parts="maildrophost other",
    )
    assert buildout.again().returncode == 0
    assert buildout.control("start")[0] == 0
    other = subprocess.run(
        [tmp_path / "bin" / "other", "start"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert other.returncode == 1
    assert other.stderr == (
        f"Another daemon takes mail from {buildout.spool} already.\n"
    )


def test_maildrophosts_own_daemon_has_to_end_first(
    buildout: Buildout, tmp_path: Path
) -> None:
    """It locks nothing, so two would send the same mail."""
    buildout.run()
    theirs = tmp_path / "maildrop.py"
    theirs.write_text("import sys\nprint(flush=True)\nsys.stdin.read()\n")
    with subprocess.Popen(
        [sys.executable, theirs], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as old:
        assert old.stdout is not None
        old.stdout.readline()
        buildout.pid_file.write_text(str(old.pid))
        code, _, said = buildout.control("start")
        assert old.stdin is not None
        old.stdin.close()

    assert (code, said) == (
        1,
        f"MaildropHost's own daemon runs with PID {old.pid}: end it first\n",
    )


def test_what_keeps_it_from_starting_is_said(buildout: Buildout) -> None:
    """The original said STARTED."""
    buildout.run(smtp_host="not a host")
    code, said, why = buildout.control("start")
    assert (code, said) == (1, NONE)
    assert "SMTP_HOST: is not a host name" in why

    buildout.run()
    (buildout.home / "maildropd").mkdir()
    (buildout.home / "maildropd" / "state").write_text("no folder")
    code, said, why = buildout.control("start")
    assert (code, said) == (1, NONE)
    assert "MaildropHost did NOT start" in why
    assert "state" in why


def test_missing_libraries_are_named(buildout: Buildout) -> None:
    """A Python without the daemon's libraries can still ask, but not start."""
    buildout.run()
    script = buildout.folder / "bin" / "maildrophost"
    bare = script.read_text().replace("sys.path += ", "others = ")
    script.write_text(bare)
    done = subprocess.run(
        [sys.executable, "-S", "-P", script, "start"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "The daemon needs systemd, sdnotify, pyinotify, daemon" in done.stderr
    assert "apt install python3-systemd" in done.stderr
