# SPDX-License-Identifier: Apache-2.0
"""What goes into a submission, and what comes out; immutable, and may be pickled.

Written by hand: dataclasses alone would cost more than an import may.
"""

import os

TYPE_CHECKING = False  # the typing module's own would cost its import
if TYPE_CHECKING:
    from typing import Self

RUN = "/run/maildrop"
DROP = "/var/spool/maildrop/drop"


class Value:
    """Holds what it was made with, for good."""

    __slots__: "tuple[str, ...]" = ()

    def __init__(self, **fields: object) -> None:
        """Take every field by its name."""
        for name in self.__slots__:
            object.__setattr__(self, name, fields.pop(name))
        if fields:
            raise TypeError(f"{type(self).__name__} has no {', '.join(fields)}")

    def replaced(self, **fields: object) -> "Self":
        """Return one that is like this, but for some fields."""
        return type(self)(**{**self._fields(), **fields})

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse."""
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __delattr__(self, name: str) -> None:
        """Refuse."""
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed")

    def __eq__(self, other: object) -> bool:
        """Compare field by field."""
        return type(self) is type(other) and self._fields() == _fields_of(other)

    def __hash__(self) -> int:
        """Agree with equality."""
        return hash((type(self), *self._fields().values()))

    def __repr__(self) -> str:
        """Show the fields, long ones cut."""
        words = (f"{name}={_shown(value)}" for name, value in self._fields().items())
        return f"{type(self).__name__}({', '.join(words)})"

    def __reduce__(self) -> tuple[object, ...]:
        """Be made anew from the fields."""
        return _made, (type(self), self._fields())

    def _fields(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


class Submission(Value):
    """A mail that is ready to go; ``maildropd.api.prepare`` makes it.

    The same submission submitted twice is one mail: its key says so.
    """

    __slots__ = (
        *("sender", "recipients", "content", "key", "message_id"),
        *("verp", "notify", "ret", "envid"),
    )

    sender: str | None  # None is the null reverse-path, "<>"
    recipients: tuple[str, ...]
    content: bytes  # its lines end in CR LF
    key: str  # 32 hexadecimal digits
    message_id: str | None
    verp: str  # delimiters, if each recipient has a return address of his own
    notify: str  # "NEVER", or of "SUCCESS,FAILURE,DELAY"
    ret: str  # "FULL" or "HDRS"
    envid: str  # in xtext

    @property
    def size(self) -> int:
        """How many octets the content has."""
        return len(self.content)


class Receipt(Value):
    """The mail is on disk, and would survive a power cut."""

    __slots__ = ("key", "message_id", "queue_id", "recipients", "where")

    queue_id: str | None  # None if it went into the drop directory
    where: str  # "socket" or "drop"
    key: str
    message_id: str | None
    recipients: tuple[str, ...]


class QueueStatus(Value):
    """How the daemon says things stand."""

    __slots__ = ("counts", "in_flight", "oldest", "relays", "spools", "version")

    version: str  # of the daemon
    counts: "dict[str, int]"  # recipients by state: ready, deferred, hold, failed
    oldest: str | None  # when the oldest message arrived, ISO 8601
    in_flight: int  # recipients whose mail is on its way just now
    relays: "list[dict[str, object]]"  # as ``maildropctl relays --json`` has them
    spools: "list[dict[str, object]]"  # name, path, works, condition

    @property
    def waiting(self) -> int:
        """How many recipients are not done yet, those on hold left out."""
        return self.counts.get("ready", 0) + self.counts.get("deferred", 0)


class Door(Value):
    """Where mail goes in: a folder of sockets, and a drop directory."""

    __slots__ = ("drop", "run", "timeout")

    run: str
    drop: str
    timeout: float  # seconds for each answer

    def __init__(
        self,
        run: "str | os.PathLike[str] | None" = None,
        drop: "str | os.PathLike[str] | None" = None,
        timeout: float = 30.0,
    ) -> None:
        """Take the places; those not named are the system's, or the environment's."""
        run = run or os.environ.get("MAILDROP_RUN") or RUN
        drop = drop or os.environ.get("MAILDROP_DROP") or DROP
        super().__init__(run=os.fspath(run), drop=os.fspath(drop), timeout=timeout)


def _made(kind: type[Value], fields: dict[str, object]) -> Value:
    return kind(**fields)


def _fields_of(value: object) -> dict[str, object]:
    assert isinstance(value, Value)
    return value._fields()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
