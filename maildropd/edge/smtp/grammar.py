# SPDX-License-Identifier: Apache-2.0
"""What a command's arguments mean (RFC 5321 4.1.2, RFC 3461 4, RFC 6531 3.4).

Strict: whatever is not of the form is refused with words, and nothing that
could end a line or a path is ever part of a value.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maildropd.mail.address import parse_list
from maildropd.mail.errors import BadAddress, PermanentError
from maildropd.mail.reply import Reply
from maildropd.mail.verp import DELIMITERS, is_delimiters

_PATH_LIMIT = 256 + 64  # octets of a path, a source route included
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]+"
_QUOTED = r'"(?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e\x80-\U0010ffff])*"'
_LABEL = r"[A-Za-z0-9_\x80-\U0010ffff](?:[A-Za-z0-9_\x80-\U0010ffff-]*)"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[A-Za-z0-9:.-]+\])"
_ROUTE = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"
_PATH = re.compile(
    rf"<{_ROUTE}(?P<address>(?P<local>{_ATOM}(?:\.{_ATOM})*|{_QUOTED})"
    rf"(?:@(?P<domain>{_DOMAIN}))?)>"
)
_PARAMETER = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9-]*)"
    r"(?:=([\x21-\x3c\x3e-\x7e]+|(?<=XVERP=)[-+=]+))?",  # the one with = in its value
    re.IGNORECASE,
)
_XTEXT = re.compile(r"(?:[\x21-\x2a\x2c-\x3c\x3e-\x7e]|\+[0-9A-F]{2})+")
_OF_MAIL = (
    *("SIZE", "BODY", "SMTPUTF8", "RET", "ENVID"),
    *("XKEY", "XVERP", "XHOLD", "XSHA256"),
)
_NOTIFY = frozenset(("SUCCESS", "FAILURE", "DELAY"))
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_KEY = re.compile(r"[0-9A-Za-z._-]{1,64}")

# RFC 5321 4.5.3.1, in octets.
_LOCAL_PART_LIMIT = 64
_ADDRESS_LIMIT = 254


class BadLine(PermanentError):
    """What came is no command: it has no right end, or is too long."""

    default = Reply(500, "5.5.2")


class BadCommand(PermanentError):
    """The command is not of the form; its client can mend that."""

    default = Reply(501, "5.5.4")


class OutOfOrder(PermanentError):
    """The command is right, and comes at the wrong time."""

    default = Reply(503, "5.5.1")


class UnknownParameter(PermanentError):
    """A parameter of MAIL or RCPT that we do not know."""

    default = Reply(555, "5.5.4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What MAIL says of the message that is to come."""

    reverse_path: str | None
    size: int = 0  # 0: not said
    utf8: bool = False
    ret: str = ""
    envid: str = ""
    key: str | None = None
    verp: str = ""  # its delimiters, if each recipient has a return address
    hold: bool = False  # no attempt until somebody releases it
    sha256: str = ""  # of the content, as hexadecimal digits; not said if empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What RCPT says."""

    forward_path: str
    notify: str = ""
    orcpt: str = ""

    @property
    def weight(self) -> int:
        """About how many octets of memory it takes while it waits for the rest."""
        return 200 + len(self.forward_path) + len(self.orcpt)


def mail(argument: str) -> Offer:
    """Read ``FROM:<...> parameters``; raise ``PermanentError``."""
    path, said = _path_and_parameters("FROM", argument)
    _check_known(said, _OF_MAIL)
    utf8 = "SMTPUTF8" in said
    for name in ("SMTPUTF8", "XHOLD"):
        if said.get(name):
            raise BadCommand(f"{name} takes no value")
    if said.get("BODY", "7BIT").upper() not in ("7BIT", "8BITMIME"):
        raise BadCommand("BODY is 7BIT or 8BITMIME")
    if path == "<>" and "XVERP" in said:
        raise BadCommand("XVERP needs a sender to make return addresses of")
    return Offer(
        reverse_path=None if path == "<>" else _address(path, utf8=utf8),
        size=int(_value(said, "SIZE", re.compile(r"[0-9]{1,20}").fullmatch) or 0),
        utf8=utf8,
        ret=(_value(said, "RET", re.compile("(?i)FULL|HDRS").fullmatch) or "").upper(),
        envid=_value(said, "ENVID", _is_xtext) or "",
        key=_value(said, "XKEY", _KEY.fullmatch),
        verp=_verp(said.get("XVERP")),
        hold="XHOLD" in said,
        sha256=(_value(said, "XSHA256", _SHA256.fullmatch) or "").lower(),
    )


def rcpt(argument: str, *, utf8: bool) -> Named:
    """Read ``TO:<...> parameters``; raise ``PermanentError``."""
    path, said = _path_and_parameters("TO", argument)
    _check_known(said, ("NOTIFY", "ORCPT"))
    if path == "<>":
        raise BadAddress("a recipient is needed between < and >")
    return Named(
        forward_path=_address(path, utf8=utf8),
        notify=(_value(said, "NOTIFY", is_notify) or "").upper(),
        orcpt=_value(said, "ORCPT", _is_orcpt) or "",
    )


def is_notify(value: str) -> bool:
    """Tell whether a value is one of NOTIFY (RFC 3461 4.1)."""
    words = value.upper().split(",")
    return words == ["NEVER"] or (
        _NOTIFY.issuperset(words) and len(set(words)) == len(words)
    )


def is_envid(value: str) -> bool:
    """Tell whether a value is one of ENVID (RFC 3461 4.4)."""
    return _is_xtext(value)


def _verp(said: str | None) -> str:
    """Return the delimiters that a list's sender asked for."""
    delimiters = said or DELIMITERS
    if not is_delimiters(delimiters):
        raise BadCommand("the value of XVERP is two of - + =")
    return "" if said is None else delimiters


def _is_xtext(value: str) -> bool:
    return len(value) <= 100 and _XTEXT.fullmatch(value) is not None


def _is_orcpt(value: str) -> bool:
    kind, semicolon, address = value.partition(";")
    fits = bool(semicolon) and re.fullmatch(r"[A-Za-z0-9-]+", kind) is not None
    return fits and len(value) <= 500 and _XTEXT.fullmatch(address) is not None


def _path_and_parameters(keyword: str, argument: str) -> tuple[str, Mapping[str, str]]:
    head, colon, rest = argument.partition(":")
    if head.upper() != keyword or not colon:
        raise BadCommand(f"syntax: {keyword}:<address> [parameters]")
    rest = rest.lstrip(" ")
    end = _end_of_path(rest)
    if end > _PATH_LIMIT:
        raise BadAddress("the address is longer than RFC 5321 allows")
    return rest[:end], _parameters(rest[end:])


def _end_of_path(text: str) -> int:
    """Return where the path ends: at the first > that is not in quotes."""
    if text.startswith("<"):
        quoted, at = False, 1
        while at < len(text):
            sign = text[at]
            if quoted and sign == "\\":
                at += 1
            elif sign == '"':
                quoted = not quoted
            elif sign == ">" and not quoted:
                return at + 1
            at += 1
    raise BadCommand("the address stands between < and >")


def _parameters(text: str) -> dict[str, str]:
    if text and not text.startswith(" "):
        raise BadCommand("a blank is needed behind the address")
    found: dict[str, str] = {}
    for word in text.split():
        parameter = _PARAMETER.fullmatch(word)
        if not parameter:
            raise BadCommand("a parameter is not of the form NAME=value")
        name = parameter[1].upper()
        if name in found:
            raise BadCommand(f"{name} is said twice")
        found[name] = parameter[2] or ""
    return found


def _check_known(said: Mapping[str, str], known: tuple[str, ...]) -> None:
    for name in said:
        if name not in known:
            raise UnknownParameter(f"the parameter {name} is not known here")


def _value(
    said: Mapping[str, str], name: str, fits: Callable[[str], object]
) -> str | None:
    """Return a parameter's value, or None where it was not said."""
    value = said.get(name)
    if value is None:
        return None
    if not fits(value):
        raise BadCommand(f"the value of {name} is not of its form")
    return value


def _address(path: str, *, utf8: bool) -> str:
    found = _PATH.fullmatch(path)
    if not found:
        raise BadAddress("this is not an address")
    address, local_part = found["address"], found["local"]
    if not address.isascii() and not utf8:
        raise BadAddress(
            "an address beyond ASCII needs SMTPUTF8",
            Reply(553, "5.6.7", "an address beyond ASCII needs SMTPUTF8"),
        )
    if not address.isprintable():
        raise BadAddress("the address has characters that cannot be printed")
    octets = len(address.encode("utf-8", "surrogatepass"))
    local_octets = len(local_part.encode("utf-8", "surrogatepass"))
    if local_octets > _LOCAL_PART_LIMIT or octets > _ADDRESS_LIMIT:
        raise BadAddress("the address is longer than RFC 5321 allows")
    # One form for one address: "bob"@x and bob@x are the same to everybody.
    return parse_list(address)[0] if local_part.startswith('"') else address
