# SPDX-License-Identifier: Apache-2.0
"""A message as the callers of zope.sendmail and repoze.sendmail hand it over.

zope.sendmail takes octets or text and names the mail without brackets;
repoze.sendmail takes objects of the email package, and names it with them.
"""

import os
import random
import re
import socket
from copy import deepcopy
from email.generator import BytesGenerator
from email.message import Message
from email.utils import formatdate, make_msgid
from io import BytesIO
from time import strftime
from typing import Any

from maildropd.foreign.maildirs.cleaning import clean
from maildropd.mail.message import fields, header_end

Content = bytes | str | Message | None

_RANDOM = 0x7FFFFFFF
_LINE_END = re.compile(rb"\r\n|\n|\r")


def octets(message: Content) -> bytes:
    """Return a message as it goes over the wire."""
    return _LINE_END.sub(b"\r\n", flat(message))


def flat(message: Content) -> bytes:
    """Return a message in octets, with its own line ends."""
    if isinstance(message, Message):
        stream = BytesIO()
        BytesGenerator(stream, mangle_from_=False).flatten(message)
        return stream.getvalue()
    if isinstance(message, str):
        return message.encode("utf-8")
    return message or b""


def named(message: Content) -> tuple[str, bytes]:
    """Return a message with its id as zope.sendmail has it; raise ``ValueError``.

    The id has no brackets; a message without one gets one in its first line.
    """
    content = flat(message)
    first = content.find(b"\n")
    line_end = b"\r\n" if not content or content[first - 1 : first] == b"\r" else b"\n"
    known = _message_id(content)
    if known:
        if not (known.startswith("<") and known.endswith(">")):
            raise ValueError("Malformed Message-Id header")
        return known[1:-1], content
    chance = random.randrange(_RANDOM)  # noqa: S311 - to be unlike others
    moment = strftime("%Y%m%d%H%M%S")
    made = f"{moment}.{os.getpid()}.{chance}@{socket.gethostname()}"
    return made, b"Message-Id: <%b>%b%b" % (made.encode(), line_end, content)


def completed(message: "Message[Any, Any]") -> tuple[str, "Message[Any, Any]"]:
    """Return a message with its id as repoze.sendmail has it: with brackets.

    As there, what is missing is also added to the caller's own.
    """
    clean(message)
    if message["Message-Id"] is None:
        message["Message-Id"] = make_msgid("maildropd")
    if message["Date"] is None:
        message["Date"] = formatdate()
    return str(message["Message-Id"]), deepcopy(message)


def _message_id(content: bytes) -> str:
    end = header_end(content)
    for field in fields(content, 0, len(content) if end is None else end):
        if field.name == "message-id":
            value = content[field.value : field.end].strip()
            return value.decode("utf-8", "replace")
    return ""
