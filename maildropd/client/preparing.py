# SPDX-License-Identifier: Apache-2.0
"""From what a program has to a submission that no door need ask about.

Whatever goes through here arrives as the same octets by the socket and by the
drop: what one of them would take out, or read in another way, is settled now.
"""

from collections.abc import Iterable, Mapping

from maildropd.client.errors import BadMessage
from maildropd.client.values import Submission
from maildropd.client.wishes import wished
from maildropd.mail.address import parse_list, unique
from maildropd.mail.errors import BadAddress, Malformed
from maildropd.mail.header_envelope import FOR_US, HeaderEnvelope
from maildropd.mail.message import message_id, split, without

Recipients = str | Iterable[str] | None

_HEAD_LIMIT = 4 * 1024 * 1024
_NULL = ("", "<>")
_LIST = "separate addresses by commas, and put odd names in quotes"
_FIELD = "mend that field, or name sender and recipients"
_NAME = "name at least one, or write it into To, Cc or Bcc"


def prepared(
    octets: bytes,
    sender: str | None,
    recipients: Recipients,
    wishes: Mapping[str, object],
) -> Submission:
    """Return a submission; raise ``BadMessage``."""
    content = with_crlf(octets)
    end = split(content)
    said = _header(content, end)
    reverse_path = _from_header(said) if sender is None else _sender(sender)
    header = without(content[:end], 0, said.fields, FOR_US)
    content = b"".join((*header, content[end:]))
    if _mbox_line(content):  # what was text, before nothing was left of the header
        content = b"\r\n" + content
    return Submission(
        sender=reverse_path,
        recipients=_recipients(said, recipients),
        content=content,
        message_id=message_id(content),
        **wished(wishes, reverse_path),
    )


def with_crlf(octets: bytes) -> bytes:
    """Return a message as SMTP carries it: each line ends in CR LF, the last too."""
    ends = octets.count(b"\r\n")
    if octets.count(b"\n") != ends or octets.count(b"\r") != ends:
        octets = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        octets = octets.replace(b"\n", b"\r\n")
    while start := _mbox_line(octets):
        octets = octets[start:]
    if not octets.strip():
        raise BadMessage("message", "there is none", "give a header and a text")
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n"


def _mbox_line(octets: bytes) -> int:
    """Return where the message begins behind the line that mbox files have."""
    if octets.startswith((b"From ", b">From ")):
        return octets.find(b"\n") + 1 or len(octets)
    return 0


def _header(content: bytes, end: int) -> HeaderEnvelope:
    if end > _HEAD_LIMIT:
        what = f"the header is larger than {_HEAD_LIMIT} octets"
        raise BadMessage("message", what, "an empty line ends a header")
    try:
        return HeaderEnvelope(content, 0, end)
    except Malformed as error:
        raise BadMessage("message", str(error), "write fewer") from error


def _from_header(said: HeaderEnvelope) -> str | None:
    try:
        found = said.reverse_path()
    except BadAddress as error:
        raise BadMessage("message", str(error), _FIELD) from error
    if found is None and not any(each.name == "return-path" for each in said.fields):
        advice = 'name one, or write it into From; "<>" is the null one'
        raise BadMessage("sender", "there is none", advice)
    return found and plain(found)


def _sender(given: str) -> str | None:
    if given.strip() in _NULL:
        return None
    found = _listed("sender", given)
    if len(found) != 1:
        what = f"{given!r} is not one address"
        raise BadMessage("sender", what, 'name one; "<>" is the null one')
    return found[0]


def _recipients(said: HeaderEnvelope, given: Recipients) -> tuple[str, ...]:
    if given is None:
        try:
            found = tuple(map(plain, said.recipients()))
        except BadAddress as error:
            raise BadMessage("message", str(error), _FIELD) from error
    else:
        found = listed(given)
    if not found:
        raise BadMessage("recipients", "there are none", _NAME)
    return unique(found)


def listed(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return all addresses of a list, or of several; raise ``BadMessage``."""
    lists = (given,) if isinstance(given, str) else given
    return tuple(address for each in lists for address in _listed("recipients", each))


def _listed(where: str, text: object) -> tuple[str, ...]:
    if not isinstance(text, str):
        kind = type(text).__name__
        raise BadMessage(where, f"an address is a {kind}", "give text")
    if "\r" in text or "\n" in text:
        raise BadMessage(where, f"a line end within {text[:80]!r}", "take it out")
    try:
        return tuple(map(plain, parse_list(text)))
    except (BadAddress, UnicodeEncodeError) as error:
        raise BadMessage(where, str(error), _LIST) from error


def plain(address: str) -> str:
    """Put quotes round a local part that all doors would not read alike."""
    local_part, at, domain = address.rpartition("@")
    name = local_part if at else domain
    if name.startswith('"') or "" not in name.split("."):
        return address
    return f'"{name}"{at}{domain if at else ""}'
