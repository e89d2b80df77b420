# SPDX-License-Identifier: Apache-2.0
"""What sendmail is asked beside sending: the queue, the aliases, an address."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from maildropd.edge.entry import Entry
from maildropd.edge.sendmail.arguments import Invocation, Mode
from maildropd.edge.sendmail.handover import exit_code, written
from maildropd.host.peer import Peer
from maildropd.mail.envelope import QueueId, Submitter
from maildropd.mail.errors import MailError
from maildropd.store.base import MessageView, RecipientView, State

_PAGE = 100
_HEADING = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n"


class Queue(Protocol):
    """What may be asked of the queue; queue/operator.py."""

    def page(self, after: str, limit: int) -> Sequence[MessageView]:
        """Return some messages, in order, behind a queue id."""
        ...

    def flush(self, queue_ids: Sequence[QueueId], who: str) -> int:
        """Make due what waits for its time."""
        ...

    def on_wall(self, at: datetime) -> datetime:
        """Return a time of the queue as people know it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An exit code, and what is printed."""

    code: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk:
    """Answers; called in a thread, since all of it may look at the disk."""

    entry: Callable[[], Entry]
    queue: Queue

    def answer(
        self, found: Invocation, peer: Peer, submitter: Submitter
    ) -> Iterator[Answer]:
        """Yield the answer in pieces; the code of the first one counts."""
        match found.mode:
            case Mode.QUEUE:
                yield from self._listing(None if peer.may_operate else peer.uid)
            case Mode.FLUSH if peer.may_operate:
                self.queue.flush((), str(peer))
                yield Answer(code=os.EX_OK)
            case Mode.FLUSH:
                yield Answer(code=os.EX_NOPERM, text="only root can flush the queue\n")
            case Mode.VERIFY:
                yield from self._verified(found, submitter)
            case _:
                text = "aliases are read by themselves when they change\n"
                yield Answer(code=os.EX_OK, text=text)

    def _verified(self, found: Invocation, submitter: Submitter) -> Iterator[Answer]:
        gate = self.entry().gate
        lines, code = [], os.EX_OK
        for word in found.recipients:
            try:
                goes_to = [
                    to
                    for one in written([word])
                    for to in gate.resolved(one, submitter)
                ]
            except MailError as error:
                code = code or exit_code(error)
                lines.append(f"{word}... {error}\n")
            else:
                lines.append(f"{word}... deliverable: {', '.join(goes_to)}\n")
        yield Answer(code=code, text="".join(lines))

    def _listing(self, only: int | None) -> Iterator[Answer]:
        """Show what there is; an ordinary user sees his own."""
        after, shown, octets = "", 0, 0
        while page := self.queue.page(after, _PAGE):
            after = page[-1].envelope.queue_id
            mine = [
                view for view in page if only in (None, view.envelope.submitter.uid)
            ]
            if mine:
                heading = "" if shown else _HEADING
                yield Answer(code=0, text=heading + "".join(map(self._shown, mine)))
            shown += len(mine)
            octets += sum(view.envelope.size for view in mine)
        if shown:
            requests = "request" if shown == 1 else "requests"
            total = f"-- {-(octets // -1024)} Kbytes in {shown} {requests}.\n"
            yield Answer(code=0, text=total)
        else:
            yield Answer(code=0, text="Mail queue is empty\n")

    def _shown(self, view: MessageView) -> str:
        one = view.envelope
        at = self.queue.on_wall(one.arrived).astimezone().strftime("%a %b %e %H:%M:%S")
        sign = _sign(view.recipients)
        sender = one.reverse_path or "MAILER-DAEMON"
        lines = [f"{one.queue_id}{sign}{one.size:9} {at}  {sender}\n"]
        for recipient in view.recipients:
            if recipient.reply is not None and recipient.state is not State.READY:
                lines.append(f"{f'({recipient.reply})':>78}\n")
            lines.append(f"{'':42}{recipient.forward_path}\n")
        return "".join([*lines, "\n"])


def _sign(recipients: Sequence[RecipientView]) -> str:
    """``*`` is being delivered, ``!`` is held."""
    if any(each.leased for each in recipients):
        return "*"
    return "!" if all(each.state is State.HOLD for each in recipients) else " "
