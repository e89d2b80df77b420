# SPDX-License-Identifier: Apache-2.0
"""The mails of one transaction: on the disk before it commits, gone after.

Whether it commits is decided elsewhere.  Once it has, nothing here may raise,
and nothing may be lost: a bundle that cannot be released is left and told of.
"""

import logging
import os
import weakref
from collections.abc import Sequence
from dataclasses import dataclass

from maildropd.api import Door, Staged, Submission, SubmissionError, stage, submit

_LEFT = (
    "a transaction has committed, but its mail (%d) could not be released (%s), nor "
    "submitted (%s); there is %r: what loses the dot before its name leaves"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bundle:
    """Mails that are staged, and the process that did it.

    A forked child has a copy of this, but only one of the two may decide.
    """

    mails: tuple[Submission, ...]
    staged: Staged
    process: int

    def release(self) -> None:
        if self.process == os.getpid():
            self.staged.release()

    def discard(self) -> None:
        if self.process == os.getpid():
            self.staged.discard()


class Outbox:
    """Nothing, or one bundle that waits for the end of a transaction.

    An outbox that is dropped without a word takes its bundle back: so its
    owner was, too, and will never commit.
    """

    def __init__(self, door: Door | None = None) -> None:
        """Be empty; mail will go through this door."""
        self._door = door
        self._bundle: _Bundle | None = None
        self._dropped: weakref.finalize[[], Outbox] | None = None

    @property
    def is_full(self) -> bool:
        """Tell whether mails are on the disk."""
        return self._bundle is not None

    def stage(self, mails: Sequence[Submission]) -> None:
        """Have exactly these mails on the disk; raise ``Unavailable``."""
        if self._bundle and self._bundle.mails == tuple(mails):
            return
        if mails:
            staged = stage(mails, self._door)
            bundle = _Bundle(mails=tuple(mails), staged=staged, process=os.getpid())
            self.discard()
            self._bundle = bundle
            self._dropped = weakref.finalize(self, bundle.discard)
        else:
            self.discard()

    def send(self, mails: Sequence[Submission]) -> None:
        """Let exactly these mails leave, on the disk or not yet; never raise."""
        try:
            self.stage(mails)
        except SubmissionError as error:
            self._rescue(mails, error, "nothing of it on the disk")
        self.release()

    def release(self) -> None:
        """Let them leave; never raise."""
        if bundle := self._let_go():
            try:
                bundle.release()
            except SubmissionError as error:
                if self._rescue(bundle.mails, error, bundle.staged):
                    bundle.discard()

    def discard(self) -> None:
        """Take them back; never raise."""
        if bundle := self._let_go():
            bundle.discard()

    def _rescue(
        self, mails: Sequence[Submission], trouble: SubmissionError, place: object
    ) -> bool:
        """Try the socket; what goes in by it and by the drop goes in once."""
        refused: list[str] = []
        for mail in mails:
            try:
                submit(mail, door=self._door)
            except SubmissionError as error:
                refused.append(str(error))
        if refused:
            log = logging.getLogger("maildropd.integrations")
            log.critical(_LEFT, len(refused), trouble, refused[0], place)
        return not refused

    def _let_go(self) -> _Bundle | None:
        bundle, self._bundle = self._bundle, None
        if self._dropped:
            self._dropped.detach()
        return bundle
