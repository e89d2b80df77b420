# SPDX-License-Identifier: Apache-2.0
"""From an open file of the drop to a submission that has passed the policies.

A message goes out as it was left: nothing that is merely missing is added.
What sendmail has left, since nobody answered it, is what it would have said.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from maildropd.edge.entry import KEY_LIFETIME, Gate, recipients, submission
from maildropd.edge.parcel import Allowance, Parcel
from maildropd.edge.sendmail.arguments import Invocation, Mode, Usage, parse
from maildropd.edge.sendmail.frame import MAGIC, Frame, LoneDot
from maildropd.edge.sendmail.handover import draft as handed_over
from maildropd.edge.spool.file import OpenFile
from maildropd.mail.draft import Draft
from maildropd.mail.envelope import Submission, Submitter
from maildropd.mail.errors import Malformed
from maildropd.mail.message import split


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The policies as one spool meets them; used by its thread alone."""

    gate: Gate
    allowance: Allowance

    @contextmanager
    def submission(
        self, file: OpenFile, submitter: Submitter, key: str
    ) -> Iterator[Submission]:
        """Lend what is to be stored; raise ``MailError``.

        Its content is read from the file, and has to be before this ends.
        """
        submitter = self.gate.known(submitter)
        if file.begins_with(MAGIC):
            with self._carried(file, submitter) as found:
                yield found
        else:
            yield self._left(file, submitter, key)

    def _left(self, file: OpenFile, submitter: Submitter, key: str) -> Submission:
        found = file.draft(self.gate.recipient_limit(submitter))
        head = b"".join(found.content)
        end = split(head)
        one = Draft(
            reverse_path=found.reverse_path,
            recipients=recipients(found.recipients),
            header=head[:end],
            body=file.content(replace(found, content=(head[end:],))),
            size=file.size,
            as_is=True,
        )
        passed = self.gate.admit(one, submitter)
        return replace(submission(passed, submitter, key), key_lifetime=None)

    @contextmanager
    def _carried(self, file: OpenFile, submitter: Submitter) -> Iterator[Submission]:
        parcel = Parcel(self.allowance, self.gate.size_limit(submitter))
        try:
            yield self._of_frame(file.pieces(), parcel, submitter)
        finally:
            parcel.close()

    def _of_frame(
        self, pieces: Iterable[bytes], parcel: Parcel, submitter: Submitter
    ) -> Submission:
        """Read the whole frame; its own key makes one mail of it and of a socket's."""
        frame, dot = Frame(), LoneDot(ends=False)
        for piece in pieces:
            was_known = frame.words is not None
            content = frame.feed(piece)
            if frame.words is not None and not was_known:
                dot = LoneDot(ends=_parsed(frame).dot_ends)
            if content and not dot.ended and (content := dot.feed(content)):
                parcel.write(content)
        if not frame.ended:
            raise Malformed("it ends before its end: its writer was cut off")
        one = handed_over(_parsed(frame), parcel, self.gate, submitter)
        passed = self.gate.admit(one, submitter)
        key = f"client:{submitter.uid}:{frame.key}"
        found = submission(passed, replace(submitter, name="sendmail"), key)
        return replace(found, key_lifetime=KEY_LIFETIME)


def _parsed(frame: Frame) -> Invocation:
    try:
        found = parse(frame.words or ())
    except Usage as usage:
        raise Malformed(f"sendmail: {usage}") from usage
    if found.mode is not Mode.DELIVER:
        raise Malformed("sendmail: it was asked for something else than to send")
    return found
