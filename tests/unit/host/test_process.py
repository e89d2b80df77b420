# SPDX-License-Identifier: Apache-2.0
"""On which host we are, as whom, and who is at the other end."""

import os
import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from maildropd.host import sockets
from maildropd.host.peer import Peer
from maildropd.host.process import become_owner_of, boot_id, host_name

HOSTS = """\
127.0.0.1 localhost
# 127.0.1.1 wrong.example.org box
127.0.1.1 box.example.org box  # as Debian has it
192.0.2.1 other.example.org other
"""


@pytest.mark.parametrize(
    ("kernels", "known_as"),
    [
        ("mail.example.org", "mail.example.org"),
        ("box", "box.example.org"),
        ("bare", "bare.localdomain"),
        ("", "localhost.localdomain"),
    ],
)
def test_the_hosts_name_has_a_domain(
    kernels: str, known_as: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: kernels)
    (tmp_path / "hosts").write_text(HOSTS)

    assert host_name(tmp_path / "hosts") == known_as


def test_a_host_without_a_table_has_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "box")

    assert host_name(tmp_path / "hosts") == "box.localdomain"


BECOME = """
import os, sys
from pathlib import Path
from maildropd.host.process import become_owner_of
become_owner_of(Path(sys.argv[1]))
print(os.getresuid(), os.getresgid(), os.getgroups())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_takes_on_the_owner_of_the_store(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 5432)

    done = subprocess.run(
        [sys.executable, "-c", BECOME, tmp_path],
        cwd=Path(__file__).parents[3],
        check=True,
        capture_output=True,
        text=True,
    )

    assert done.stdout == "(4321, 4321, 4321) (5432, 5432, 5432) []\n"


def test_on_a_store_of_our_own_nothing_changes(tmp_path: Path) -> None:
    before = os.getresuid(), os.getresgid(), os.getgroups()

    become_owner_of(tmp_path)

    assert (os.getresuid(), os.getresgid(), os.getgroups()) == before


def test_the_kernel_says_who_connected() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = Peer.of(ours)

    assert peer == Peer(pid=os.getpid(), uid=os.getuid(), gid=os.getgid())
    assert str(peer) == f"uid={os.getuid()}"


def test_root_and_we_ourselves_may_operate() -> None:
    assert Peer(pid=1, uid=0, gid=0).may_operate
    assert Peer(pid=1, uid=os.geteuid(), gid=1).may_operate
    assert not Peer(pid=1, uid=os.geteuid() + 1, gid=0).may_operate


def test_a_socket_may_be_at_a_path_of_any_length(tmp_path: Path) -> None:
    """The kernel's own limit is 107 octets."""
    folder = tmp_path / ("x" * 200)
    folder.mkdir()

    with closing(sockets.listen(folder / "control")):
        with closing(sockets.connect(folder / "control", 10)):
            pass
        mode = os.stat(folder / "control").st_mode
        assert stat.S_IMODE(mode) == 0o600
        assert os.listdir(folder) == ["control"]


def test_a_socket_that_a_dead_process_left_is_replaced(tmp_path: Path) -> None:
    sockets.listen(tmp_path / "control").close()
    with pytest.raises(ConnectionRefusedError):
        sockets.connect(tmp_path / "control", 10)

    with closing(sockets.listen(tmp_path / "control")):
        sockets.connect(tmp_path / "control", 10).close()


def test_nobody_listens_at_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sockets.connect(tmp_path / "nothing" / "control", 10)
    with pytest.raises(FileNotFoundError):
        sockets.listen(tmp_path / "nothing" / "control")


@pytest.mark.parametrize(
    ("said", "kernels", "expected"),
    [
        (None, "0a1b-2c\n", "0a1b2c"),
        ("0a1b2c", "ffff\n", "0a1b2c"),
        (None, None, ""),
        ("", None, ""),
    ],
)
def test_the_boot_is_named_by_systemd_or_by_the_kernel(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str | None,
    kernels: str | None,
    expected: str,
) -> None:
    """Both name it alike, so that maildropctl knows what the service knew."""
    monkeypatch.delenv("MAILDROPD_BOOT_ID", raising=False)
    if said is not None:
        monkeypatch.setenv("MAILDROPD_BOOT_ID", said)
    if kernels is not None:
        (tmp_path / "boot_id").write_text(kernels)

    assert boot_id(tmp_path / "boot_id") == expected
