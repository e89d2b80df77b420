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
    for name in tuple(message):
        if name.lower() in _WITH_PARAMETERS:
            _clean_parameters(message, name)
    _clean_fields(message)
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


def _clean_fields(message: "Message[Any, Any]") -> None:
    """Write all anew: by its name, only the first of several can be replaced."""
    pairs = zip(list(message.raw_items()), message.values(), strict=True)
    fields = [(name, _field(name, raw, str(value))) for (name, raw), value in pairs]
    for name, _ in fields:
        del message[name]
    for name, field in fields:
        message.set_raw(name, field)


def _field(name: str, raw: Any, value: str) -> Any:
    if name.lower() in _WITH_PARAMETERS:
        return raw
    return (_addresses if name.lower() in _ADDRESSES else _encoded)(name, value)


def _clean_payload(message: "Message[Any, Any]") -> None:
    payload = message.get_payload()
    if isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                clean(part)
    elif isinstance(payload, str) and payload and not _is_encoded(message, payload):
        message.set_payload(payload, charset=best_charset(payload))


def _is_encoded(message: "Message[Any, Any]", payload: str) -> bool:
    """Tell whether it says what its ASCII stands for."""
    transfer = str(message.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    says = message.get_content_charset() or transfer not in ("7bit", "8bit")
    return bool(message.get_charset() or (says and payload.isascii()))


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
