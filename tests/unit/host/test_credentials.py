# SPDX-License-Identifier: Apache-2.0
"""Where secrets come from, and what is refused as being none."""

import os
from pathlib import Path

import pytest

from maildropd.host import credentials
from maildropd.host.credentials import SecretUnavailable


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    return tmp_path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("name", ["relay", "cred_relay"])
def test_a_credential_is_found_by_its_name_in_a_folder_or_alone(
    name: str, folder: Path
) -> None:
    """LoadCredential=cred:FOLDER puts cred_ before the name."""
    (folder / name).write_text("hunter2")

    assert credentials.of_service("relay") == "hunter2"


def test_a_missing_credential_is_told_with_those_that_are_there(folder: Path) -> None:
    (folder / "cred_realy").write_text("hunter2")

    with pytest.raises(SecretUnavailable, match=r"relay: .* \(cred_realy\)"):
        credentials.of_service("relay")


@pytest.mark.usefixtures("folder")
def test_an_empty_folder_is_told() -> None:
    with pytest.raises(SecretUnavailable, match=r"\(there are none\)"):
        credentials.of_service("relay")


def test_a_service_without_credentials_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    with pytest.raises(SecretUnavailable, match="try password_file"):
        credentials.of_service("relay")


@pytest.mark.parametrize(
    ("octets", "means"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" hunter2 ", " hunter2 "),
        ("p\N{LATIN SMALL LETTER A WITH DIAERESIS}ss".encode(), "p\xe4ss"),
    ],
)
def test_one_line_end_is_not_part_of_a_secret(
    octets: bytes, means: str, secret: Path
) -> None:
    secret.write_bytes(octets)

    assert credentials.of_file(secret) == means


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"hunter2\nhunter3\n", "has more than one line"),
        (b"hunter2\n\n", "has more than one line"),
        (b"hunter2\0", "has more than one line"),
        (b"hunter2\xff", "is not UTF-8"),
        (b"h" * 5000, "is longer than 4096 octets"),
    ],
)
def test_what_is_no_secret_is_refused_and_never_shown(
    octets: bytes, words: str, secret: Path
) -> None:
    secret.write_bytes(octets)

    with pytest.raises(SecretUnavailable, match=words) as caught:
        credentials.of_file(secret)

    assert "hunter" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("mode", [0o604, 0o620, 0o602, 0o666])
def test_a_file_that_others_can_read_or_change_is_refused(
    mode: int, secret: Path
) -> None:
    secret.chmod(mode)

    with pytest.raises(SecretUnavailable, match="try chmod 600"):
        credentials.of_file(secret)


def test_a_file_may_be_roots_and_for_our_group_to_read(secret: Path) -> None:
    """0640 root:_maildrop, as Debian's habit is."""
    secret.chmod(0o640)

    if os.geteuid() == 0:
        assert credentials.of_file(secret) == "hunter2"
    else:
        with pytest.raises(SecretUnavailable, match="try chmod 600"):
            credentials.of_file(secret)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(secret: Path) -> None:
    os.chown(secret, 65534, 65534)

    with pytest.raises(SecretUnavailable, match="belongs to uid 65534"):
        credentials.of_file(secret)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_for_another_group_is_refused(secret: Path) -> None:
    os.chown(secret, 0, 54321)
    secret.chmod(0o640)

    with pytest.raises(SecretUnavailable, match="try chmod 600"):
        credentials.of_file(secret)


def test_a_link_is_followed(secret: Path) -> None:
    """Secrets of containers are links, to be exchanged at once."""
    link = secret.with_name("link")
    link.symlink_to(secret)

    assert credentials.of_file(link) == "hunter2"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SecretUnavailable, match="No such file"):
        credentials.of_file(tmp_path / "nothing")


def test_a_fifo_does_not_hold_up_the_start(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)

    with pytest.raises(SecretUnavailable, match="is not a file"):
        credentials.of_file(tmp_path / "fifo")


def test_a_disk_that_fails_is_told() -> None:
    with pytest.raises(SecretUnavailable, match="cannot be read"):
        credentials.of_file(Path("/proc/self/mem"))
