# SPDX-License-Identifier: Apache-2.0
"""A reader of reports that shares nothing with the writer: Python's own parser."""

from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import compat32


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a program makes of a report."""

    head: "Message[str, str]"
    kinds: list[str]
    text: str
    message: dict[str, str]  # the fields about it
    recipients: list[dict[str, str]]
    original: bytes = b""
    encodings: list[str] = field(default_factory=list)


def read(octets: bytes) -> Read:
    """Parse; raise ``AssertionError`` if it is no report."""
    head = message_from_bytes(octets, policy=compat32)
    assert head.get_content_type() == "multipart/report"
    assert not head.defects
    raw = octets.split(b"\n--" + str(head.get_boundary()).encode())[1:-1]
    parts = [one.split(b"\n\n", 1) for one in raw]
    said = [message_from_bytes(part[0].lstrip(b"\n") + b"\n\n") for part in parts]
    payloads = head.get_payload()
    assert isinstance(payloads, list)
    text = payloads[0]
    assert isinstance(text, Message)
    words = text.get_payload(decode=True)
    assert isinstance(words, bytes)
    groups = parts[1][1].decode("utf-8").split("\n\n")
    fields = [dict(_fields(group)) for group in groups if group.strip()]
    return Read(
        head=head,
        kinds=[one.get_content_type() for one in said],
        encodings=[str(one["Content-Transfer-Encoding"]) for one in said],
        text=words.decode(str(text.get_content_charset())),
        message=fields[0],
        recipients=fields[1:],
        original=parts[2][1] if len(parts) > 2 else b"",
    )


def _fields(group: str) -> list[tuple[str, str]]:
    lines = group.replace("\n ", " ").splitlines()
    pairs = [line.split(": ", 1) for line in lines if line]
    assert all(len(pair) == 2 for pair in pairs), group
    return [(name, value) for name, value in pairs]
