# SPDX-License-Identifier: Apache-2.0
"""The server's side of AUTH, for the mechanisms that we speak."""

import base64
import hmac
from collections.abc import Callable, Mapping

Ask = Callable[[bytes], bytes]
"""Say a challenge, return the answer, both decoded."""

CHALLENGE = b"<1896.697170952@postoffice.example>"


def proven(words: list[bytes], users: Mapping[str, str], ask: Ask) -> str | None:
    """Return the user whom an AUTH command, and what follows it, proves."""
    match [word.decode() for word in words]:
        case ["PLAIN", initial]:
            _, name, word = base64.b64decode(initial).decode().split("\0")
        case ["PLAIN"]:
            _, name, word = ask(b"").decode().split("\0")
        case ["LOGIN"]:
            name = ask(b"Username:").decode()
            word = ask(b"Password:").decode()
        case ["CRAM-MD5"]:
            name, _, digest = ask(CHALLENGE).decode().rpartition(" ")
            key = users.get(name, "").encode()
            right = hmac.new(key, CHALLENGE, "md5").hexdigest() == digest
            word = users.get(name, "") if right else ""
        case _:
            return None
    return name if word and users.get(name) == word else None
