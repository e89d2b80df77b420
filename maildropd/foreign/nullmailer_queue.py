# SPDX-License-Identifier: Apache-2.0
"""The queue of nullmailer: a sender, recipients and an empty line, then the message."""

from collections.abc import Iterator
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.queued import Queued
from maildropd.mail.address import parse_list, parse_reverse_path
from maildropd.mail.errors import BadAddress

_FAILED = "it failed for good in nullmailer, and its sender was told"


def queued(folder: Path) -> Iterator[Queued]:
    """Yield what is in a queue, or in the queue and failed of /var/spool/nullmailer.

    What is in tmp was never promised to anybody.
    """
    if not (folder / "queue").is_dir():
        yield from _in(folder, failed=folder.name == "failed")
        return
    yield from _in(folder / "queue")
    if (folder / "failed").is_dir():
        yield from _in(folder / "failed", failed=True)


def _in(folder: Path, *, failed: bool = False) -> Iterator[Queued]:
    for path in files.listed(folder):
        try:
            yield _read(path, failed=failed)
        except files.Gone:
            continue
        except Unreadable as error:
            yield Queued(path=path, state="unreadable", why=error.why)


def _read(path: Path, *, failed: bool) -> Queued:
    octets = files.mail(path)
    envelope, blank, content = octets.partition(b"\n\n")
    sender, *lines = envelope.split(b"\n")
    try:
        recipients = _recipients(lines)
        reverse_path = parse_reverse_path(sender)
    except BadAddress as error:
        raise Unreadable(str(path), str(error)) from error
    if not blank or not recipients:
        raise Unreadable(str(path), "it is not whole: its envelope does not end")
    return Queued(
        path=path,
        state="held" if failed else "ready",
        why=_FAILED if failed else "",
        reverse_path=reverse_path,
        recipients=recipients,
        content=files.check_message(path, content),
    )


def _recipients(lines: list[bytes]) -> tuple[str, ...]:
    found: list[str] = []
    for line in lines:
        found += parse_list(line.decode("utf-8", "surrogateescape"))
    return tuple(found)
