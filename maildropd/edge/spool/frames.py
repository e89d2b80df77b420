# SPDX-License-Identifier: Apache-2.0
"""Frames of sendmail in a file: one, or several one after another.

Whatever is read of a frame here stays on disk until all of the file is stored:
its writer sees that all of it leaves, or nothing.
"""

from collections.abc import Callable, Iterable, Iterator

from maildropd.edge.parcel import Parcel
from maildropd.edge.sendmail.arguments import Invocation, Mode, Usage, parse
from maildropd.edge.sendmail.frame import Frame, LoneDot
from maildropd.mail.errors import MailError, Malformed

_SLICE = 16 * 1024  # what follows a frame is copied once for each that follows


class Letter:
    """The mail of one frame, as far as it has come."""

    def __init__(self, parcel: Parcel) -> None:
        """Put the content into a parcel, which stays the caller's."""
        self.parcel = parcel
        self.key = ""
        self.found = Invocation()
        self.error: MailError | None = None  # why it was not put there
        self._dot = LoneDot(ends=False)

    def begin(self, frame: Frame) -> None:
        """Hear the arguments; raise ``Malformed``."""
        self.key, self.found = frame.key, invocation(frame)
        self._dot = LoneDot(ends=self.found.dot_ends)

    def write(self, octets: bytes) -> None:
        """Take a piece of the content; it may be too large, and the next may not."""
        if self.error or self._dot.ended or not (found := self._dot.feed(octets)):
            return
        try:
            self.parcel.write(found)
        except MailError as error:
            self.error = error


class Reader:
    """Takes one frame after the other out of octets."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        """Read from here."""
        self._pieces = _slices(pieces)
        self._rest = b""

    def next(
        self, begin: Callable[[Frame], None], write: Callable[[bytes], None]
    ) -> bool:
        """Pass one frame on; False at the end of all; raise ``Malformed``."""
        octets = self._rest or next(self._pieces, b"")
        if not octets:
            return False
        frame, begun = Frame(alone=False), False
        while octets:
            content = frame.feed(octets)
            if not begun and frame.words is not None:
                begun = True
                begin(frame)
            if content:
                write(content)
            if frame.ended:
                self._rest = frame.rest
                return True
            octets = next(self._pieces, b"")
        raise Malformed("it ends before its end: its writer was cut off")


def check(pieces: Iterable[bytes]) -> int:
    """Return how many frames there are; raise ``Malformed`` if anything is none."""
    reader, number = Reader(pieces), 0
    while reader.next(_check_words, _pass_over):
        number += 1
    return number


def invocation(frame: Frame) -> Invocation:
    """Return what its arguments say; raise ``Malformed``."""
    try:
        found = parse(frame.words or ())
    except Usage as usage:
        raise Malformed(f"sendmail: {usage}") from usage
    if found.mode is not Mode.DELIVER:
        raise Malformed("sendmail: it was asked for something else than to send")
    return found


def _check_words(frame: Frame) -> None:
    invocation(frame)


def _pass_over(_: bytes) -> None:
    return


def _slices(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for at in range(0, len(piece), _SLICE):
            yield piece[at : at + _SLICE]
