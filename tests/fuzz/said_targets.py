# SPDX-License-Identifier: Apache-2.0
"""What an administrator wrote: it is understood, or each mistake has its place."""

import atexit
import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from maildropd.config import limits, values
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.config.model import Config
from maildropd.config.read import read
from maildropd.config.relay import Tls
from maildropd.host import credentials
from maildropd.mail.envelope import is_queue_id
from maildropd.store.rows import number
from tests.fuzz.places import folder
from tests.fuzz.splits import one_line, text

_FURTHER = b"\n%%\n"  # between the main file and those of maildropd.conf.d
_COMPLAINT = re.compile(r"(is|has|needs|begins|must|contains) ")
_SECRET = re.compile(
    rb"^[ \t]*password\w*[ \t]*=[ \t]*([^\s\\]{8,})[ \t]*$", re.MULTILINE
)
_UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


@cache
def _folder() -> Path:
    """Return the folder of this process; it goes with it."""
    made = folder()
    atexit.register(shutil.rmtree, made)
    return made


def config(octets: bytes) -> None:
    """Any files become a configuration, or mistakes with file and line."""
    main, further = _folder() / "maildropd.conf", _folder() / "maildropd.conf.d"
    shutil.rmtree(further, ignore_errors=True)
    first, *others = octets.split(_FURTHER)[:4]
    main.write_bytes(first)
    further.mkdir()
    for place, content in enumerate(others):
        (further / f"{place}.conf").write_bytes(content)
    found = _read(main)
    assert found == _read(main), "the same files mean something else"
    if isinstance(found, Config):
        _check_config(found)
        return
    assert found
    for line in found:
        one_line(line)
        file, _, words = line.partition(": ")
        assert re.fullmatch(rf"{re.escape(str(_folder()))}/[\w./]+(:\d+)?", file)
        assert words
    for secret in _SECRET.findall(octets):
        shown = secret.decode("utf-8", "replace")
        known = octets.count(secret) > 1 or shown in str(_folder())
        assert known or not any(shown in line for line in found), "a secret is shown"


def _read(main: Path) -> Config | list[str]:
    try:
        return read(Layout.of_path(main))
    except ConfigErrors as errors:
        return errors.lines


def _check_config(found: Config) -> None:
    queue, relay = found.queue, found.relay
    assert timedelta(0) < queue.first_retry <= queue.slowest_retry
    assert queue.first_retry < queue.give_up_after
    assert queue.message_size_limit > 0
    assert found.spools
    assert len({spool.path for spool in found.spools}) == len(found.spools)
    for spool in found.spools:
        assert spool.path.is_absolute()
        assert not spool.quarantine.is_relative_to(spool.path)
        assert spool.poll_interval > timedelta(0)
    assert 0 < relay.real_port <= 65535
    assert 1 <= relay.max_connections <= 100
    assert relay.host.isprintable()
    assert not re.search(r"\s", relay.host)
    if relay.username and relay.tls is Tls.NONE:
        assert relay.auth_in_clear


def values_read(octets: bytes) -> None:
    """A value is read as it stands, or refused in words that can follow it."""
    said = text(octets)
    if not said.strip() or not said.isprintable():
        return  # no line of a file can say that
    for reader in (values.duration, values.size, values.boolean, values.integer):
        _read_value(reader, said)
    for name in (lambda word: values.choice(word, Tls), values.words):
        _read_value(name, said)
    _read_value(lambda word: values.path(word, Path("/etc")), said)
    for limit in (limits.host, limits.host_name, limits.name):
        trouble = limit(said)
        _check_words(trouble or "is fine")
    if is_queue_id(said):
        assert 0 <= number(said) < 1 << 60  # type: ignore[arg-type]  # it is one


def _read_value(reader: Callable[[str], object], said: str) -> None:
    try:
        found = reader(said)
    except ValueError as error:
        _check_words(str(error))
        return
    assert said.isascii() or isinstance(found, str | Path), "digits of another script"
    if isinstance(found, timedelta):
        assert timedelta(0) <= found <= timedelta(weeks=520)
        _check_duration(said, found)
    if isinstance(found, int):
        assert 0 <= found < 1 << 63, "more than SQLite and the kernel can count"


def _check_words(trouble: str) -> None:
    """They follow the value: ``"5x" is not a duration``."""
    assert _COMPLAINT.match(trouble), trouble
    one_line(trouble)


def _check_duration(said: str, found: timedelta) -> None:
    """Add up what is written in the plainest units."""
    parts = re.findall(r"(\d+)([a-z]+)", said)
    units = {unit for _, unit in parts}
    if "".join(n + unit for n, unit in parts) == said and units <= {*_UNITS}:
        total = sum(int(n) * _UNITS[unit] for n, unit in parts)
        assert found == timedelta(milliseconds=total)


def secrets(octets: bytes) -> None:
    """A secret is one line; what is none is refused, and not shown."""
    file = _folder() / "password"
    file.unlink(missing_ok=True)
    file.touch(0o600)
    file.write_bytes(octets)
    _check_secret(lambda: credentials.of_file(file), octets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CREDENTIALS_DIRECTORY", str(_folder()))
        _check_secret(lambda: credentials.of_service("password"), octets)


def _check_secret(read_secret: Callable[[], str], octets: bytes) -> None:
    found = told = ""
    try:
        found = read_secret()
    except credentials.SecretUnavailable as error:
        told = f"{error} {error.__cause__} {error!r}"
    if told:
        told = told.replace(str(_folder()), "").replace("password", "")
        for part in re.findall(rb"[ -~]{8,}", octets):
            assert part.decode("ascii") not in told, "a secret is shown"
    else:
        assert found.encode("utf-8") == octets.rstrip(b"\r\n")
        assert not re.search("[\r\n\0]", found)
