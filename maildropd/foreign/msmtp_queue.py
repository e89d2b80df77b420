# SPDX-License-Identifier: Apache-2.0
"""The queue of msmtpq, and of msmtpqueue: NAME.mail, and NAME.msmtp with arguments.

The arguments were joined by blanks; one with a blank in it cannot be told apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.queued import Queued
from maildropd.mail.address import parse_list, parse_reverse_path, unique
from maildropd.mail.errors import BadAddress, Malformed
from maildropd.mail.header_envelope import FOR_US, HeaderEnvelope
from maildropd.mail.message import split, without

_WITH_VALUE = frozenset("HdaCXfFNRBbhLoOT")


def queued(folder: Path) -> Iterator[Queued]:
    """Yield what is in ~/.msmtp.queue or ~/.msmtpqueue."""
    paths = files.listed(folder)
    names = {path.name for path in paths}
    for path in paths:
        arguments = path.with_suffix(".msmtp")
        also = (arguments,) if arguments.name in names else ()
        try:
            if path.suffix == ".mail":
                yield _read(path, also)
            elif path.suffix == ".msmtp" and f"{path.stem}.mail" not in names:
                why = "there is no .mail file with its message"
                yield Queued(path=path, state="unreadable", why=why)
        except files.Gone:
            continue
        except Unreadable as error:
            yield Queued(path=path, state="unreadable", why=error.why, also=also)


def busy(folder: Path) -> str:
    """Return who works in it, or nothing: both scripts leave a .lock."""
    if (folder / ".lock").exists():
        return "there is a .lock: msmtpq works in it, or was killed (then remove that)"
    return ""


@dataclass(slots=True)
class _Said:
    """What a command line of msmtp says of the envelope."""

    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    from_header: bool = False


def _arguments(words: list[str]) -> _Said:
    said, rest = _Said(), iter(words)
    for word in rest:
        if word == "--":
            said.recipients += rest
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name == "from":
                said.sender = value if equals else next(rest, "")
            said.from_header |= name == "read-recipients"
        elif word.startswith("-") and len(word) > 1:
            _letters(said, word[1:], rest)
        else:
            said.recipients.append(word)
    return said


def _letters(said: _Said, letters: str, rest: Iterator[str]) -> None:
    """Read ``-tif bob@example.org``."""
    for at, letter in enumerate(letters):
        said.from_header |= letter == "t"
        if letter in _WITH_VALUE:
            value = letters[at + 1 :] or next(rest, "")
            said.sender = value if letter == "f" else said.sender
            return


def _read(path: Path, also: tuple[Path, ...]) -> Queued:
    if not also:
        raise Unreadable(str(path), "there is no .msmtp file with its arguments")
    octets = files.mail(path)
    said = _arguments(files.mail(also[0]).decode("utf-8", "replace").split())
    end = split(octets)
    try:
        header = HeaderEnvelope(octets, 0, end)
        recipients = [a for word in said.recipients for a in parse_list(word)]
        recipients += header.recipients() if said.from_header else ()
        sender = said.sender.encode()
        reverse_path = parse_reverse_path(sender) if sender else header.reverse_path()
    except (BadAddress, Malformed) as error:
        raise Unreadable(str(path), str(error)) from error
    if not recipients:
        raise Unreadable(str(path), "it names no recipient")
    # msmtp takes Bcc out; nobody else may see it.
    kept = without(octets[:end], 0, header.fields, FOR_US)
    return Queued(
        path=path,
        state="ready",
        reverse_path=reverse_path,
        recipients=unique(recipients),
        content=files.check_message(path, b"".join((*kept, octets[end:]))),
        also=also,
    )
