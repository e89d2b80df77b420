# SPDX-License-Identifier: Apache-2.0
"""An email object made fit for the wire: the best charset for each thing in it.

ASCII where that will do, else ISO 8859-1, else UTF-8.  Of an address only the
name is encoded; a parameter as RFC 2231 says, anything else as RFC 2047 does.
"""

from email.header import Header
from email.message import EmailMessage, Message
from email.utils import formataddr, getaddresses
from typing import Any

_ADDRESSES = frozenset(
    f"{prefix}{name}"
    for prefix in ("", "resent-")
    for name in ("from", "sender", "to", "cc", "bcc")
) | {"reply-to"}
_WITH_PARAMETERS = frozenset({"content-type", "content-disposition"})
_CHARSETS = ("ascii", "iso-8859-1", "utf-8")


def clean(message: "Message[Any, Any]") -> None:
    """Make it so; what is of the newer kind (``EmailMessage``) does it by itself."""
    if isinstance(message, EmailMessage):
        return
    for name, value in message.items():
        if name.lower() in _WITH_PARAMETERS:
            _clean_parameters(message, name)
        elif name.lower() in _ADDRESSES:
            message.replace_header(name, _addresses(name, str(value)))
        else:
            message.replace_header(name, _encoded(name, str(value)))
    _clean_payload(message)


def best_charset(text: str) -> str:
    """Return the first charset that has all of a text."""
    for charset in _CHARSETS:
        try:
            text.encode(charset)
        except UnicodeError:
            continue
        return charset
    raise ValueError("a text with half a surrogate pair in it")


def _clean_payload(message: "Message[Any, Any]") -> None:
    payload = message.get_payload()
    if isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                clean(part)
    elif isinstance(payload, str) and payload and not message.get_charset():
        message.set_payload(payload, charset=best_charset(payload))


def _clean_parameters(message: "Message[Any, Any]", name: str) -> None:
    for key, value in message.get_params(header=name) or ():
        if value and isinstance(value, str):  # else it is encoded already
            best = best_charset(value)
            charset = None if best == "ascii" else best
            message.set_param(key, value, header=name, charset=charset)


def _addresses(name: str, value: str) -> str:
    found = [
        formataddr((_encoded(name, shown), address))
        for shown, address in getaddresses([value])
    ]
    return ", ".join(found)


def _encoded(name: str, value: str) -> str:
    return Header(value, charset=best_charset(value), header_name=name).encode()
