# SPDX-License-Identifier: Apache-2.0
"""The content of one message, and what the server says of it.

Up to the final dot nothing is delivered.  Once it has gone out, silence means
doubt: taken or not, nobody knows (RFC 1047).
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from maildropd.config.relay import RelayConfig
from maildropd.mail.outcome import Disposition, Outcome, Passed
from maildropd.mail.reply import Reply
from maildropd.relay.dialogue import Dialogue, Interrupted
from maildropd.relay.refusal import Step, doubt, refusal
from maildropd.relay.wire import OUT_OF_STEP, ConnectionLost, Wire

_UNASKED = timedelta(seconds=5)  # for the rest of a reply that has begun to arrive

Share = tuple[Sequence[int], Outcome]
"""An outcome, and whose it is: places in the list of recipients."""


class Handover:
    """Used once, when the server waits for the content."""

    def __init__(self, wire: Wire, dialogue: Dialogue, config: RelayConfig) -> None:
        """Take over from the dialogue."""
        self._wire = wire
        self._dialogue = dialogue
        self._config = config
        self._relay = config.destination

    def run(
        self, blocks: Iterator[bytes], wanted: Sequence[int], then: bytes
    ) -> Iterator[Share]:
        """Send it, and yield what became of it for those who want it.

        ``then`` goes out behind the final dot.  ``Interrupted`` and
        ``ConnectionLost``: nothing was delivered.
        """
        sent = self._send(blocks, then)
        if sent is None:
            yield wanted, self._stopped()
            return
        self._at(Step.FINAL, self._config.final_timeout)
        # By LMTP each of them has an answer of his own (RFC 2033 4.2).
        for numbers in [[one] for one in wanted] if self._wire.lmtp else [wanted]:
            try:
                outcome = self._verdict()
                if not sent and outcome.disposition is Disposition.DELIVERED:
                    # The dot has gone out, or what came after it: nobody knows.
                    raise self._wire.lost("sending failed behind the final dot")
            except ConnectionLost as error:
                outcome = doubt(error.reply, self._relay)
            except MemoryError:  # the answer was there, perhaps, and is lost
                outcome = doubt(self._wire.lost("out of memory").reply, self._relay)
            yield numbers, outcome

    def _send(self, blocks: Iterator[bytes], then: bytes) -> bool | None:
        """Return whether all went out; None if the server has stopped it."""
        wire = self._wire
        self._at(Step.CONTENT, self._config.data_timeout)
        last = b""
        for block in blocks:
            if last and (wire.unprompted() or not wire.put(last)):
                return None
            last = block
        if wire.unprompted():
            return None
        try:
            sent = wire.put(last + then)
        except ConnectionLost as error:
            if not then or error.reply.status == OUT_OF_STEP:
                raise
            return False  # the dot may have gone out, and what is behind it not
        return sent if sent or then else None

    def _verdict(self) -> Outcome:
        said = self._wire.getreply()
        self._wire.mid_transaction = False
        if said[0] < 300:
            return self._taken(Reply.parse(*said))
        if said[0] < 400:
            raise self._wire.lost(f"unexpected reply {said[0]}", OUT_OF_STEP)
        if said[0] == 421:
            self._wire.close()
        return Outcome.of(refusal(said, Step.FINAL), self._relay)

    def _taken(self, reply: Reply) -> Outcome:
        """Say who tells the sender of it, if he asks: that server, or we."""
        passed = Passed.DELIVERED if self._wire.lmtp else Passed.RELAYED
        if "dsn" in self._wire.esmtp_features:
            passed = Passed.PROMISED
        taken = Disposition.DELIVERED
        return Outcome(disposition=taken, reply=reply, relay=self._relay, passed=passed)

    def _stopped(self) -> Outcome:
        """Take a reply that came before the final dot, and so cannot be a yes."""
        wire = self._wire
        self._at(Step.CONTENT, _UNASKED)
        said = wire.getreply()
        if said[0] < 400:
            raise wire.lost(f"unasked reply {said[0]}", OUT_OF_STEP)
        wire.close()
        reply = refusal(said, Step.CONTENT)
        if reply.code == 421:
            raise Interrupted(reply, Step.CONTENT)
        return Outcome.of(reply, self._relay)

    def _at(self, step: Step, limit: timedelta) -> None:
        self._dialogue.step = step
        self._wire.step(step, limit)
