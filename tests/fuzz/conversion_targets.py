# SPDX-License-Identifier: Apache-2.0
"""What is made of a message for a server is the same message to its readers.

The reader is the standard library's, which shares no line with ours.
"""

import re
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from maildropd.mail import verp
from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress
from maildropd.relay.form.lines import LIMIT
from maildropd.relay.form.octets import canonical
from maildropd.relay.form.seven_bit import Unconvertible, converted, plan
from tests.fakes.mail_reader import Seen, seen
from tests.fuzz.splits import chance, pieces, text

_LINE = re.compile(rb"[^\r\n]*")
# Quotes, and blanks beside what is special, may stand or not.
_QUOTING = re.compile(r'["\\]')
_OPTIONAL = re.compile(r"\s*([<>:(),;])\s*")


def conversions(octets: bytes) -> None:
    """Nothing is lost, doubled or cut, and no octet beyond ASCII is left.

    A # makes its line a long one, so that searches need not.
    """
    content = b"".join(
        line.replace(b"#", b"#x" * 600) for line in canonical(octets).splitlines(True)
    )
    if content and not content.endswith(b"\n"):
        content += b"\r\n"
    source = chance(octets)
    for seven_bit in (False,) if content.isascii() else (False, True):
        cut = partial(_blocks, pieces(content, source))
        try:
            result = _made(cut, seven_bit=seven_bit)
        except Unconvertible:
            assert seven_bit, "a long line is no reason to refuse"
            continue
        assert result.isascii() or not seven_bit
        for line in _long(result):
            assert line in content or _has_long_word(line, content)
        assert _shown(result) == _shown(content)
        again = partial(_blocks, [result])
        assert _made(again, seven_bit=seven_bit) == result, "twice is not once"
        assert _made(partial(_blocks, [content]), seven_bit=seven_bit) == result


def _blocks(cut: list[bytes]) -> Iterator[bytes]:
    return iter(cut)


def _made(cut: "partial[Iterator[bytes]]", *, seven_bit: bool) -> bytes:
    agreed = plan(cut, seven_bit=seven_bit)
    return b"".join(cut() if agreed is None else converted(cut, agreed))


def _long(content: bytes) -> list[bytes]:
    return [line for line in _LINE.findall(content) if len(line) > LIMIT]


def _has_long_word(line: bytes, content: bytes) -> bool:
    """Tell whether there is no place for a fold."""
    words = re.split(rb"[ \t()]", line)
    return any(len(word) > LIMIT - 100 and word in content for word in words)


def _shown(content: bytes) -> list[Seen]:
    return [
        one._replace(fields=tuple((name, _read(said)) for name, said in one.fields))
        for one in seen(content)
    ]


def _read(said: str) -> str:
    octets = _QUOTING.sub("", said).encode("utf-8", "surrogateescape")
    return " ".join(_OPTIONAL.sub(r"\1", text(octets)).split())


def returns(octets: bytes) -> None:
    """An address that comes back tells the list and the recipient it was made of."""
    words, _, rest = octets.partition(b"\n")
    delimiters = text(rest[:2])
    if not verp.is_delimiters(delimiters):
        delimiters = verp.DELIMITERS
    verp.decode(text(rest), delimiters)
    try:
        named = [one for one in parse_list(text(words)) if "@" in one]
    except BadAddress:
        return
    for sender, recipient in pairwise(named):
        address = verp.encode(sender, recipient, delimiters)
        if address == sender:
            continue
        assert "\n" not in address
        name, host = sender.rpartition("@")[0], recipient.rpartition("@")[2]
        if delimiters[1] in host:
            continue  # only its last one is found
        found = [verp.decode(address, delimiters, sender)]
        if delimiters[0] not in name:  # else it takes who knows the list
            found.append(verp.decode(address, delimiters))
        for one in found:
            assert one is not None
            assert [*map(_unquoted, one)] == [*map(_unquoted, (sender, recipient))]


def _unquoted(address: str) -> str:
    """Leave out the quotes, which a strange name may have or not."""
    return _QUOTING.sub("", address)
