# SPDX-License-Identifier: Apache-2.0
"""What each SASL mechanism says, and what it makes of the answers.

A mechanism is used for one attempt to log in.  It knows nothing of SMTP: it
takes the text of a 334 and returns the octets of the answer.
"""

import base64
import binascii
import hmac
import re
from typing import Protocol

from maildropd.relay.identity.scram import Scram, ScramTrouble

_STATUS = re.compile(rb'"status"\s*:\s*"([A-Za-z0-9_]{1,40})"')


class NotSasl(Exception):
    """The server does not keep to the mechanism; the text says how."""


class Unproven(NotSasl):
    """It may be somebody else; trying again will not change that."""


class Mechanism(Protocol):
    """One way to prove who we are."""

    @property
    def initial(self) -> bytes | None:
        """What is said with AUTH, if anything."""
        ...

    @property
    def trouble(self) -> str:
        """What must not be true when the server says yes, or what it told us."""
        ...

    def respond(self, text: bytes, /) -> bytes | None:
        """Return the answer to a challenge, both as mechanism and server have it.

        None if there is nothing more to say; ``NotSasl`` ends the login.
        """
        ...


class Plain:
    """RFC 4616."""

    trouble = ""

    def __init__(self, user: bytes, password: bytes) -> None:
        """Keep what is said."""
        self.initial = b"\0" + user + b"\0" + password
        self._again = True

    def respond(self, _text: bytes, /) -> bytes | None:
        """Say it again to a server that asks in spite of the initial response."""
        again, self._again = self._again, False
        return self.initial if again else None


class LoginWords:
    """Name and password, each when asked for, whatever the words."""

    initial = None
    trouble = ""

    def __init__(self, user: bytes, password: bytes) -> None:
        """Keep what is said."""
        self._words = [password, user]

    def respond(self, _text: bytes, /) -> bytes | None:
        """Return the next word."""
        return self._words.pop() if self._words else None


class CramMd5:
    """RFC 2195."""

    initial = None
    trouble = ""

    def __init__(self, user: bytes, password: bytes) -> None:
        """Keep what the answer is made of."""
        self._user = user
        self._password = password
        self._asked = False

    def respond(self, text: bytes, /) -> bytes | None:
        """Return the digest of the challenge."""
        if self._asked:
            return None
        self._asked = True
        challenge = decoded(text, "the challenge of CRAM-MD5")
        digest = hmac.new(self._password, challenge, "md5").hexdigest()
        return self._user + b" " + digest.encode()


class ScramSha256:
    """RFC 7677, for SASL: the server's last word is a challenge, too."""

    def __init__(self, scram: Scram) -> None:
        """Take a fresh conversation."""
        self.initial = scram.first()
        self._scram = scram
        self._steps = [self._scram.verify, self._scram.final]

    @property
    def trouble(self) -> str:
        """A yes from who has proven nothing is no yes."""
        if self._scram.verified:
            return ""
        return "the server did not prove that it knows our password"

    def respond(self, text: bytes, /) -> bytes | None:
        """Return the proof; then nothing, if the server has proven itself."""
        if not self._steps:
            return None
        step = self._steps.pop()
        try:
            return step(decoded(text, "the challenge of SCRAM")) or b""
        except ScramTrouble as error:
            raise Unproven(str(error)) from None


class Bearer:
    """OAUTHBEARER (RFC 7628) and XOAUTH2: a token, and one answer to a no."""

    def __init__(self, initial: bytes, dummy: bytes) -> None:
        """Keep what is said, and what is answered to a server that explains itself."""
        self.initial = initial
        self.trouble = ""
        self._dummy = dummy

    def respond(self, text: bytes, /) -> bytes | None:
        """Let the server end what it has refused (RFC 7628 section 3.2.3)."""
        if self.trouble:
            return None
        self.trouble = "the server does not take the token"
        # The rest of what it says is for programs, and may repeat anything.
        if found := _STATUS.search(decoded(text, "what follows the token")):
            self.trouble += f" (status {found[1].decode()})"
        return self._dummy


def xoauth2(user: bytes, token: bytes) -> Bearer:
    """Make the mechanism that came before the standard."""
    return Bearer(b"user=%b\1auth=Bearer %b\1\1" % (user, token), b"")


def oauthbearer(user: bytes, token: bytes, host: str, port: int) -> Bearer:
    """Make the standard's mechanism."""
    name = user.replace(b"=", b"=3D").replace(b",", b"=2C")
    place = f"host={host}\1port={port}\1".encode()
    return Bearer(b"n,a=%b,\1%bauth=Bearer %b\1\1" % (name, place, token), b"\1")


def decoded(text: bytes, what: str) -> bytes:
    """Return what base64 stands for."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        # Not "from": the error's own text may show what we said.
        raise NotSasl(f"{what} is not base64") from None
