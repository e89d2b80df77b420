# SPDX-License-Identifier: Apache-2.0
"""What a submitter may wish beside sender and recipients, checked and in one form.

These are the keywords of ``maildropd.api``; a wrong one is a ``TypeError``.
"""

import hashlib
import os
import re
from collections.abc import Mapping

from maildropd.client.errors import BadMessage
from maildropd.mail.verp import DELIMITERS, is_delimiters

_NAMES = ("key", "verp", "notify", "ret", "envid")
_NOTIFY = re.compile(r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*")
_RET = re.compile(r"FULL|HDRS")
_ENVID_LIMIT = 100  # RFC 3461 4.4
_PLAIN = re.compile(rb"[\x21-\x2a\x2c-\x3c\x3e-\x7e]+")


def wished(wishes: Mapping[str, object], sender: str | None) -> dict[str, str]:
    """Return the fields of a submission that say it; raise ``BadMessage``."""
    for name in wishes:
        if name not in _NAMES:
            raise TypeError(f"unexpected keyword argument {name!r}")
    return {
        "key": _key(wishes.get("key")),
        "verp": _verp(wishes.get("verp"), sender),
        "notify": _notify(_text("notify", wishes.get("notify"))),
        "ret": _ret(_text("ret", wishes.get("ret"))),
        "envid": _envid(_text("envid", wishes.get("envid"))),
    }


def _key(key: object) -> str:
    """Return 32 digits: of chance, or always the same ones of a key that is given."""
    if key is None:
        return os.urandom(16).hex()
    octets = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
    if not isinstance(octets, bytes):
        kind = type(key).__name__
        raise BadMessage("key", f"it is a {kind}", "give text or bytes")
    return hashlib.blake2b(octets, digest_size=16).hexdigest()


def _verp(verp: object, sender: str | None) -> str:
    if verp is None or verp is False:
        return ""
    delimiters = DELIMITERS if verp is True else _text("verp", verp)
    if not is_delimiters(delimiters):
        raise BadMessage("verp", f"{verp!r} is none", 'give True, or two of "-+="')
    if sender is None:
        what = "there is no sender to make return addresses of"
        raise BadMessage("verp", what, "name a sender")
    return delimiters


def _notify(notify: str) -> str:
    words = notify.upper().split(",")
    if notify and (not _NOTIFY.fullmatch(notify.upper()) or len({*words}) < len(words)):
        advice = '"never", or of "success,failure,delay"'
        raise BadMessage("notify", f"{notify!r} is none", advice)
    return notify.upper()


def _ret(ret: str) -> str:
    if ret and not _RET.fullmatch(ret.upper()):
        raise BadMessage("ret", f"{ret!r} is none", '"full" or "hdrs"')
    return ret.upper()


def _envid(envid: str) -> str:
    """Return it in xtext (RFC 3461 4)."""
    octets = envid.encode("utf-8", "surrogatepass")
    if not _PLAIN.fullmatch(octets):
        plain = _PLAIN.fullmatch
        octets = b"".join(
            sign if plain(sign) else b"+%02X" % sign[0]
            for sign in (octets[at : at + 1] for at in range(len(octets)))
        )
    if len(octets) > _ENVID_LIMIT:
        what = f"it has more than {_ENVID_LIMIT} octets, in xtext"
        raise BadMessage("envid", what, "shorten it")
    return octets.decode("ascii")


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadMessage(name, f"it is a {type(value).__name__}", "give text")
    return value
