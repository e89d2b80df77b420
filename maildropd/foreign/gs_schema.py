# SPDX-License-Identifier: Apache-2.0
"""The options of a component in gsconfig.ini, and what their values may be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.said_there import SaidThere

_WORDS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on"), True),
    **dict.fromkeys(("false", "no", "off"), False),
}
Value = str | int | bool
Kind = Callable[[str], Value]


class PathUnreadable(Unreadable):
    """There is no such directory."""


class FileUnreadable(Unreadable):
    """There is no such file, or it cannot be read."""


class NoSuchSet(Unreadable):
    """No instance of that name, or it has no such component."""


class NoSchema(Unreadable):
    """Nobody said what options a component has."""


class NoSection(Unreadable):
    """A set that an instance names is not there."""


class NoOption(Unreadable):
    """An option that the component does not have, and is strict about."""


class NotConverted(Unreadable):
    """A value that is not of its option's kind."""


def boolean(text: str) -> bool:
    """Read a word; ``1`` and ``0`` are none."""
    try:
        return _WORDS[text.lower()]
    except KeyError:
        raise ValueError("is none of true, yes, on, false, no, off") from None


def number(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise ValueError("is not a whole number") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The options of one component."""

    kinds: Mapping[str, Kind]
    is_strict: bool = True  # about options that it does not have

    def values(self, said: Mapping[str, SaidThere]) -> Mapping[str, Value]:
        """Return what was said; raise ``NoOption`` or ``NotConverted``."""
        found: dict[str, Value] = {}
        for name, one in said.items():
            kind = self.kinds.get(name)
            if kind is None:
                if self.is_strict:
                    raise NoOption(one.where, f"{name} is no option here")
                continue
            try:
                found[name] = kind(one.value)
            except ValueError as error:
                raise NotConverted(
                    one.where, f'{name}: "{one.value}" {error}'
                ) from None
        return found


SMTP = Schema(
    kinds={
        "hostname": str,
        "port": number,
        "username": str,
        "password": str,
        "no_tls": boolean,
        "force_tls": boolean,
        "queuepath": str,
        "processorthread": boolean,
        "xverp": boolean,
    },
    is_strict=False,  # since relay-address-prefix, which belongs to another program
)
