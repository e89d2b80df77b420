# SPDX-License-Identifier: Apache-2.0
"""What is written, and what must come out: made from seed and number alone.

Each letter carries its key in its content and in each of its addresses, so
that wherever a piece of it turns up, one can tell whose it is.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from random import Random

KEY = re.compile(rb"^X-Soak: (\w+)\r?$", re.MULTILINE)
_LINE_END = re.compile(rb"\r\n|\r|\n")
_LONG = re.compile(rb"[^\n]{900}")  # a longer line than 998 would be converted


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One mail as its writer leaves it, and as a server must get it."""

    key: str
    octets: bytes
    sender: str
    recipients: tuple[str, ...]
    digest: str
    uid: int


def letter(seed: int, number: int, size: str) -> Letter:
    """Write letter ``number``; the same again for the same seed."""
    dice = Random(f"{seed}/letter/{number}")
    key = f"k{number:07}"
    recipients = tuple(
        f"r{place}.{key}@net.example" for place in range(_recipients(dice, size))
    )
    hidden = recipients[1:] if dice.random() < 0.3 else ()
    in_header = dice.random() < 0.5
    sender = "" if not in_header and dice.random() < 0.1 else f"s.{key}@app.example"
    head = [f"X-Soak: {key}", f"Message-ID: <{key}@soak.example>"]
    body = _body(dice, size)
    if in_header:
        open_ones = [each for each in recipients if each not in hidden]
        own = [*head, f"From: {sender}", "To: " + ",\n ".join(open_ones)]
        kept = _joined(own, body)
        secret = ["Bcc: " + ",\n ".join(hidden)] if hidden else []
        octets = _joined([own[0], *secret, *own[1:]], body)
    else:
        kept = _joined([*head, "Subject: drop"], body)
        octets = f"##To:{','.join(recipients)}\n##From:{sender}\n".encode() + kept
    return Letter(
        key=key,
        octets=octets,
        sender=sender,
        recipients=recipients,
        digest=digest(on_the_wire(kept)),
        uid=dice.choice((0, 1000, 1001, 65534)),
    )


def digest(octets: bytes) -> str:
    """Return what tells one content from another."""
    return hashlib.sha256(octets).hexdigest()


def on_the_wire(octets: bytes) -> bytes:
    """Return what SMTP carries: every line end CR LF, and one at the end."""
    lines = _LINE_END.split(octets)
    if not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _recipients(dice: Random, size: str) -> int:
    return dice.randrange(101, 400) if size == "many" else dice.choice((1, 1, 1, 2, 5))


def _body(dice: Random, size: str) -> bytes:
    match size:
        case "large" | "huge":
            least = 240_000 if size == "large" else 3_600_000
            octets = dice.randbytes(dice.randrange(least, least + 400_000))
            if size == "large" and dice.random() < 0.5:
                octets *= 5
            lines = base64.b64encode(octets, b"./").replace(b"a", b"\n")
            return _LONG.sub(rb"\g<0>\n", lines)
        case "odd":
            pieces = (b".", b"..", b"\n", b"\r", b"\r\n", b"\n.\n", b"\xff\x80", b"x")
            return b"".join(dice.choices(pieces, k=dice.randrange(1, 400)))
        case _:
            return base64.encodebytes(dice.randbytes(dice.randrange(1, 9000)))


def _joined(head: list[str], body: bytes) -> bytes:
    return "\n".join(head).encode() + b"\n\n" + body
