# SPDX-License-Identifier: Apache-2.0
"""Header fields in ASCII, and in lines that are short enough.

A field is changed only where every reader gets the same text back: words of
people become encoded-words (RFC 2047), file names become RFC 2231's.  An
address, and a field that nobody knows the form of, is not guessed at.
"""

import re
from binascii import b2a_base64
from collections.abc import Iterator

from maildropd.relay.form.lines import LIMIT
from maildropd.relay.form.part import field_name

_TEXT = frozenset(
    (
        b"subject",
        b"comments",
        b"content-description",
        b"organization",
        b"organisation",
        b"summary",
        b"thread-topic",
        b"user-agent",
    )
)
_ADDRESSES = frozenset(
    (
        b"from",
        b"sender",
        b"reply-to",
        b"to",
        b"cc",
        b"bcc",
        b"errors-to",
        b"mail-followup-to",
        b"disposition-notification-to",
        b"list-id",
    )
)
_PARAMETERS = frozenset((b"content-type", b"content-disposition"))
_LEXEME = re.compile(
    rb"""(?P<blank>[ \t\r\n]+)
    |(?P<quoted>"(?:[^"\\]|\\.)*+")
    |(?P<angle><[^<>"]*>)
    |(?P<comment>\([^()\\]*\))
    |(?P<special>[,;:()<>"\\])
    |(?P<word>[^ \t\r\n,;:()<>"\\]+)""",
    re.VERBOSE | re.DOTALL,
)
_FILE_NAME = re.compile(
    rb"(;\s*(?:file)?name)\s*=\s*(\"(?:[^\"\\]|\\.)*+\"|[^\s;\"]+)\s*(?=;|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_LARGEST = 64 * 1024  # octets of a field that has to be said otherwise
_QUOTING = re.compile(rb'\\(.)|"', re.DOTALL)
_BEGINNING = re.compile(rb"(?:[!-9;-~]+:)?[ \t]*[^ \t]+")
_BLANK = re.compile(rb"[ \t]")
_BEYOND = re.compile(rb"[\x80-\xff]")
_WORD_ROOM = 42  # octets of text in one encoded-word of 75, a long charset included
_PLAIN_IN_NAME = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._"


class Unspeakable(Exception):
    """A field cannot be said in ASCII."""


def in_ascii(field: bytes) -> bytes:
    """Return a field without octets beyond ASCII; raise ``Unspeakable``."""
    if field.isascii():
        return field
    name = field_name(field)
    if len(field) > _LARGEST:
        raise Unspeakable(f"the field {_shown(name)} is too large for that")
    head, colon, value = field.partition(b":")
    value = value.removesuffix(b"\r\n")
    if name in _TEXT or name.startswith(b"x-"):
        said = _text(value)
    elif name.removeprefix(b"resent-") in _ADDRESSES:
        said = _addresses(value)
    elif name in _PARAMETERS:
        said = _FILE_NAME.sub(_file_name, value)
    else:
        said = value
    if not said.isascii():
        why = "has octets that it cannot say otherwise"
        raise Unspeakable(f"the field {_shown(name)} {why}")
    return head + colon + said + b"\r\n"


def _shown(name: bytes) -> str:
    return name.decode("ascii", "replace")


def folded(field: bytes) -> bytes:
    """Return a field with folds where a line is too long and has a blank.

    Some readers keep a fold within a boundary or a file name: fields of MIME
    stay as they are.
    """
    if len(field) <= LIMIT + 2 or field_name(field).startswith(b"content-"):
        return field
    return b"".join(
        b"\r\n".join(_folds(line[:-2])) + b"\r\n"
        for line in field.splitlines(keepends=True)
    )


def _folds(line: bytes) -> Iterator[bytes]:
    """A fold is unfolded by taking its line end away: nothing else changes."""
    while len(line) > LIMIT:
        first = _first_blank(line)
        cut = max(line.rfind(b" ", first, LIMIT), line.rfind(b"\t", first, LIMIT))
        if cut < 0:  # a word that is longer itself
            found = _BLANK.search(line, max(first, LIMIT))
            cut = found.start() if found else len(line)
        if not line[cut:].strip():
            break
        yield line[:cut]
        line = line[cut:]
    yield line


def _first_blank(line: bytes) -> int:
    """Return from where on a line may be cut: behind something that is no blank.

    A line of a field's name alone, or of blanks, is misread here and there.
    """
    found = _BEGINNING.match(line)
    return found.end() if found else len(line)


def _text(value: bytes) -> bytes:
    """Encode from the first word that needs it to the last."""
    if b"=?" in value:  # beside an encoded-word, blanks would vanish
        return value
    places = [found.start() for found in _BEYOND.finditer(value)]
    start = max(value.rfind(blank, 0, places[0]) for blank in (b" ", b"\t")) + 1
    end = places[-1] + 1
    ends = (value.find(blank, end) for blank in (b" ", b"\t", b"\r"))
    end = min((at for at in ends if at >= 0), default=len(value))
    before, after = value[:start] or b" ", value[end:]
    return before + _encoded(value[start:end]) + after


def _addresses(value: bytes) -> bytes:
    """Encode display names and comments; what is beyond ASCII elsewhere stays."""
    made: list[bytes] = []
    phrase: list[bytes] = []  # words, and the blanks between them
    at = 0
    for found in _LEXEME.finditer(value):
        if found.start() != at:
            return value
        at = found.end()
        if found.lastgroup in ("blank", "quoted", "word"):
            phrase.append(found[0])
            continue
        if found[0] in b'()"\\<>':  # it is none of our grammar
            return value
        names = found.lastgroup == "angle" or found[0] == b":"
        made.append(_phrase(b"".join(phrase)) if names else b"".join(phrase))
        comment = found.lastgroup == "comment" and not found[0].isascii()
        made.append(b"(%s)" % _encoded(found[0][1:-1]) if comment else found[0])
        phrase = []
    return b"".join([*made, *phrase]) if at == len(value) else value


def _phrase(words: bytes) -> bytes:
    """Encode a display name as a whole."""
    text = words.strip(b" \t\r\n")
    if text.isascii() or b"=?" in text:
        return words
    start = words.index(text)
    plain = _QUOTING.sub(rb"\1", text)
    before, after = words[:start] or b" ", words[start + len(text) :] or b" "
    return before + _encoded(plain) + after


def _encoded(text: bytes) -> bytes:
    """Return encoded-words, each on a line of its own."""
    charset, pieces = _pieces(text.replace(b"\r\n", b""))
    words = (
        b"=?%s?b?%s?=" % (charset, b2a_base64(piece, newline=False)) for piece in pieces
    )
    return b"\r\n ".join(words)


def _pieces(text: bytes) -> tuple[bytes, list[bytes]]:
    """Cut a text between characters (RFC 2047 5)."""
    try:
        characters = text.decode("utf-8")
    except UnicodeDecodeError:
        ends = range(0, len(text), _WORD_ROOM)
        return b"unknown-8bit", [text[at : at + _WORD_ROOM] for at in ends]
    pieces = [b""]
    for each in characters:
        octets = each.encode("utf-8")
        if len(pieces[-1]) + len(octets) > _WORD_ROOM:
            pieces.append(b"")
        pieces[-1] += octets
    return b"utf-8", pieces


def _file_name(found: re.Match[bytes]) -> bytes:
    """Say a file name as RFC 2231 4 does."""
    name, value = found[1], found[2]
    if value.isascii():
        return found[0]
    if value.startswith(b'"'):
        value = _QUOTING.sub(rb"\1", value)
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return found[0]  # the name of no known characters would be no name
    octets = (
        b"%c" % each if each in _PLAIN_IN_NAME else b"%%%02X" % each for each in value
    )
    return name + b"*=utf-8''" + b"".join(octets)
