# SPDX-License-Identifier: Apache-2.0
"""The octets of a message that a program has made of Python's email package.

Long lines of what was parsed stay as they are, and no From is mangled.  A
header with a line end in it is refused: what follows might be a field of its own.
"""

import re
from email.errors import MessageError
from email.message import Message
from email.policy import EmailPolicy
from typing import Any

from maildropd.client.errors import BadMessage

_INJECTED = re.compile(r"\r(?!\n)|\n(?![ \t])|\0")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_ADVICE = "take the line end out"
_ADDRESSES = ("from", "sender", "to", "cc", "bcc", "reply-to")


def flattened(message: object) -> bytes:
    """Return the octets; raise ``BadMessage``."""
    if not isinstance(message, Message):
        kind = type(message).__name__
        advice = "give bytes, str or a message of Python's email package"
        raise BadMessage("message", f"it is a {kind}", advice)
    for name, value in message.raw_items():
        if _INJECTED.search(_FOLD.sub("", f"{name}: {value}")):
            what = f"a line end within {str(value)[:80]!r}"
            raise BadMessage(f"header field {name[:80]!r}", what, _ADVICE)
    policy = message.policy.clone(linesep="\r\n", mangle_from_=False)
    if isinstance(policy, EmailPolicy):
        utf8 = policy.utf8 or _is_international(message)
        policy = policy.clone(refold_source="none", utf8=utf8)
    try:
        return message.as_bytes(policy=policy)
    except (MessageError, UnicodeError, LookupError) as error:
        raise BadMessage(
            "message", f"it cannot be serialized: {error}", "see email.message"
        ) from error


def _is_international(message: Any) -> bool:
    """Tell whether an address is beyond ASCII; only UTF-8 can say it."""
    return any(
        not address.addr_spec.isascii()
        for name in _ADDRESSES
        for field in message.get_all(name, ())
        for address in field.addresses
    )
