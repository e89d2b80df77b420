# SPDX-License-Identifier: Apache-2.0
"""Secrets, from where only we can read them; never in any message of ours.

systemd puts credentials into a folder of the service's own; where there is
no systemd, a file does that nobody else may read.
"""

import os
import stat
from pathlib import Path

_LONGEST = 4096
_LONGEST_KEY = 64 * 1024


class SecretUnavailable(Exception):
    """A secret is missing, or not kept as a secret; the text says which and why."""


def of_service(name: str) -> str:
    """Return a credential that systemd handed to this service."""
    return _secret(path_of(name), f"credential {name}")


def path_of(name: str) -> Path:
    """Return where a credential of this service is.

    ``LoadCredential=cred:FOLDER`` makes ``cred_NAME`` of a file NAME; both
    names are looked for.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise SecretUnavailable(
            f"credential {name}: this service got none "
            "(LoadCredential= hands them over; without systemd, try password_file)"
        )
    for found in (Path(folder, name), Path(folder, f"cred_{name}")):
        if found.exists():
            return found
    raise SecretUnavailable(
        f"credential {name}: not among those of this service "
        f"({', '.join(sorted(os.listdir(folder))) or 'there are none'})"
    )


def of_file(path: Path) -> str:
    """Return a secret from a file that only we, or root and our group, can read."""
    return _secret(path, str(path), private=True)


def key_of_service(name: str) -> bytes:
    """Return a credential of more than one line, as it stands."""
    return _octets(path_of(name), f"credential {name}", _LONGEST_KEY)


def key_of_file(path: Path) -> bytes:
    """Return the same from a file that is kept as a secret."""
    return _octets(path, str(path), _LONGEST_KEY, private=True)


def refuse_open(path: Path) -> None:
    """Raise unless only we, or root and our group, can read a file of a secret."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise _trouble(str(path), error) from error
    _refuse_shared(found, str(path))


def _secret(path: Path, what: str, *, private: bool = False) -> str:
    return _clean(_octets(path, what, _LONGEST, private=private), what)


def _octets(path: Path, what: str, longest: int, *, private: bool = False) -> bytes:
    try:
        # Non-blocking: somebody may have put a fifo there.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _trouble(what, error) from error
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise SecretUnavailable(f"{what}: is not a file")
        if private:
            _refuse_shared(found, what)
        try:
            octets = file.read(longest + 1)
        except OSError as error:
            raise _trouble(what, error) from error
    if len(octets) > longest:
        raise SecretUnavailable(f"{what}: is longer than {longest} octets")
    return octets


def _refuse_shared(found: os.stat_result, what: str) -> None:
    if found.st_uid not in (0, os.geteuid()):
        raise SecretUnavailable(f"{what}: belongs to uid {found.st_uid}, not to us")
    others = found.st_mode & 0o077
    ours = {os.getegid(), *os.getgroups()}
    if others & ~0o040 or (others and (found.st_uid != 0 or found.st_gid not in ours)):
        raise SecretUnavailable(f"{what}: others can read or change it (try chmod 600)")


def _clean(octets: bytes, what: str) -> str:
    octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    if not octets:
        raise SecretUnavailable(f"{what}: is empty")
    if any(end in octets for end in (b"\n", b"\r", b"\0")):
        raise SecretUnavailable(f"{what}: has more than one line")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        # Not "from": the error's own text would show the secret.
        raise SecretUnavailable(f"{what}: is not UTF-8") from None


def _trouble(what: str, error: OSError) -> SecretUnavailable:
    return SecretUnavailable(f"{what}: cannot be read ({error.strerror})")
