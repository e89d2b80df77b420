# SPDX-License-Identifier: Apache-2.0
"""From an open file of the drop to a submission that has passed the policies.

A message goes out as it was left: nothing that is merely missing is added.
What sendmail has left, since nobody answered it, is what it would have said.
"""

from collections.abc import Container, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from maildropd.edge.entry import KEY_LIFETIME, Gate, Passed, recipients, submission
from maildropd.edge.parcel import Allowance, Parcel
from maildropd.edge.sendmail.handover import draft as handed_over
from maildropd.edge.spool.file import OpenFile
from maildropd.edge.spool.frames import Letter, Reader
from maildropd.mail.draft import Draft
from maildropd.mail.envelope import Submitter
from maildropd.mail.errors import MailError, Malformed, NotYet
from maildropd.mail.message import split

_DROP = "spool=drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A mail of a frame: what is to be stored, or why it is not.

    Neither, if it was stored before.
    """

    key: str
    size: int = 0
    passed: Passed | None = None
    error: MailError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The policies as one spool meets them; used by its thread alone."""

    gate: Gate
    allowance: Allowance

    def passed(self, file: OpenFile, submitter: Submitter, key: str) -> Passed:
        """Return what is to be stored of a file that is a mail; raise ``MailError``.

        Its content is read from the file.
        """
        return self._left(file, self.gate.known(submitter), key)

    def carried(
        self, pieces: Iterable[bytes], submitter: Submitter, done: Container[str]
    ) -> Iterator[Carried]:
        """Yield the mails of a file of frames, each but those whose key is done.

        The content of each has to be read before the next is asked for.  The
        frames were whole when they were looked at: raise ``NotYet`` if not.
        """
        submitter = self.gate.known(submitter)
        limit, reader, more = self.gate.size_limit(submitter), Reader(pieces), True
        while more:
            with closing(Parcel(self.allowance, limit)) as parcel:
                letter = Letter(parcel)
                try:
                    more = reader.next(letter.begin, letter.write)
                except Malformed as error:
                    raise NotYet("it changed while it was read") from error
                if more:
                    yield self._of_letter(letter, submitter, done)

    def _left(self, file: OpenFile, submitter: Submitter, key: str) -> Passed:
        found = file.draft(self.gate.recipient_limit(submitter))
        head = b"".join(found.content)
        end = split(head)
        one = Draft(
            reverse_path=found.reverse_path,
            recipients=recipients(found.recipients),
            header=head[:end],
            body=chain((head[end:],), file.pieces()),
            size=file.size,
            as_is=True,
        )
        admitted = self.gate.admit(one, submitter)
        return Passed(
            submission=submission(admitted, submitter, key),
            undo=partial(self.gate.undo, admitted, submitter),
        )

    def _of_letter(
        self, letter: Letter, submitter: Submitter, done: Container[str]
    ) -> Carried:
        """Its own key makes one mail of it and of a socket's."""
        key = f"client:{submitter.uid}:{letter.key}"
        if key in done:
            return Carried(key=key)
        try:
            if letter.error:
                raise letter.error
            one = handed_over(letter.found, letter.parcel, self.gate, submitter)
            admitted = self.gate.admit(one, submitter)
        except MailError as error:
            return Carried(key=key, error=error.with_traceback(None))
        undo = partial(self.gate.undo, admitted, submitter)
        # What is in the drop is what the socket would have taken; but to leave
        # mail in another spool says how it is to go, and routes may ask for it.
        if submitter.name == _DROP:
            submitter = replace(submitter, name="sendmail")
        found = submission(admitted, submitter, key, KEY_LIFETIME)
        passed = Passed(submission=found, undo=undo)
        return Carried(key=key, size=letter.parcel.size, passed=passed)
