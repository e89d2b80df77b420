# SPDX-License-Identifier: Apache-2.0
"""One message over one connection, to one outcome per recipient.

Up to the final dot nothing is delivered, and a broken conversation may be
begun anew.  Once the dot has gone out, silence means doubt: taken or not,
nobody knows, and the recipients wait for another attempt (RFC 1047).
"""

from collections.abc import Iterable
from itertools import repeat

from maildropd.config.relay import RelayConfig
from maildropd.mail.errors import RouteMisconfigured
from maildropd.mail.outcome import Outcome, Sign
from maildropd.mail.reply import Reply
from maildropd.relay import commands
from maildropd.relay.dialogue import Dialogue, Interrupted
from maildropd.relay.form.letter import Letter, fit, fits, signed
from maildropd.relay.handover import Handover
from maildropd.relay.refusal import (
    Step,
    by_policy,
    misconfigured,
    refusal,
    too_many,
)
from maildropd.relay.wire import OUT_OF_STEP, ConnectionLost, Wire


class Transaction:
    """The attempt to hand over one message; used once."""

    def __init__(
        self,
        wire: Wire,
        letter: Letter,
        config: RelayConfig,
    ) -> None:
        """Prepare; the wire is open and greeted."""
        self.refused = False  # by the server, for good: at least one recipient
        self.welcome = False  # it took a message over this connection before
        self._wire = wire
        self._letter = letter
        self._recipients = letter.delivery.recipients
        self._config = config
        self._relay = config.destination
        self._dialogue = Dialogue(wire, config)
        self._outcomes: dict[int, Outcome] = {}  # by place in recipients
        self._then = b""  # what goes out behind the final dot
        self._announced: list[int] | None = None  # who was named in advance

    def announcement(self) -> bytes:
        """Return the envelope, to be said behind the final dot of another.

        It may be empty.  Once it was said, ``run`` hears the answers.
        """
        named = self._named()
        # What has to be converted first takes a while, and may fail.
        ready = named and fits(self._letter, self._wire.esmtp_features)
        if ready:
            self._letter = signed(self._letter)
        words = self._dialogue.announce(*self._envelope(named)) if ready else b""
        self._announced = named if words else None
        return words

    def run(self, then: bytes = b"") -> tuple[Outcome, ...]:
        """Return the outcomes, or raise.

        ``Interrupted`` and ``ConnectionLost``: nothing was delivered, and
        what was decided until then is kept for ``end``.  ``then`` goes out
        behind the final dot, if that is sent at all (see ``went_on``).
        """
        self._then = then
        named = self._named() if self._announced is None else self._announced
        if named and self._fits() and self._offer(named):
            handover = Handover(self._wire, self._dialogue, self._config)
            letter, chunked = self._letter, self._dialogue.chunked
            blocks = letter.chunk() if chunked else letter.blocks()
            for numbers, outcome in handover.run(blocks, self._undecided(), self._then):
                self._give(numbers, outcome)
        return self._all()

    @property
    def went_on(self) -> bool:
        """Tell whether all has come to its end, so that answers to more follow."""
        ended = self.step is Step.FINAL and self._wire.sock is not None
        return ended and bool(self._then)

    def end(self, reply: Reply, sign: Sign) -> tuple[Outcome, ...]:
        """Defer whatever is undecided."""
        self._give(self._undecided(), Outcome.waiting(reply, self._relay, sign))
        return self._all()

    @property
    def step(self) -> Step:
        """Where the transaction has come to."""
        return self._dialogue.step

    def _named(self) -> list[int]:
        """Return the recipients that can be named to this server at all."""
        offered = self._wire.esmtp_features
        sender = self._letter.delivery.envelope.reverse_path
        nobody = commands.unspeakable_sender(sender, offered)
        for number, recipient in enumerate(self._recipients):
            reply = nobody or commands.unspeakable(recipient, offered)
            if reply is not None:
                self._outcomes[number] = Outcome.of(reply, self._relay)
        return self._undecided()

    def _fits(self) -> bool:
        """Make the content one that this server takes, if that can be."""
        if not fits(self._letter, self._wire.esmtp_features):
            self._wire.alive(self._config.data_timeout)  # a large one takes a while
        fitted = fit(self._letter, self._wire.esmtp_features)
        if isinstance(fitted, Reply):
            self._give(self._undecided(), Outcome.of(fitted, self._relay))
            return False
        self._letter = fitted
        return True

    def _offer(self, named: list[int]) -> bool:
        """Say the envelope; return whether the content is awaited by somebody."""
        try:
            if self._announced is None:
                granted = self._dialogue.say(*self._envelope(named))
            else:
                granted = self._dialogue.hear()
        except (Interrupted, ConnectionLost) as error:
            if error.reply.status != OUT_OF_STEP:
                self._note_refusals(named)
            raise
        denied = self._note_refusals(named)
        if denied and len(denied) == len(named):
            reply = denied[named[0]]
            raise RouteMisconfigured(reply.text, reply)
        for number, reply in denied.items():
            self._outcomes[number] = Outcome.waiting(reply, self._relay)
        wanted = self._undecided()
        if granted and not wanted:
            # Nobody is there to get the mail.  A lone dot would end it
            # (RFC 2920 3.1), but hanging up cannot be taken for a message.
            self._wire.close()
        elif wanted and not granted:
            refused = refusal(self._dialogue.said[-1], Step.DATA)
            self._give(wanted, Outcome.of(refused, self._relay))
        return granted and bool(wanted)

    def _envelope(self, named: list[int]) -> tuple[bytes, list[bytes]]:
        offered, terms = self._wire.esmtp_features, self._letter.terms
        paths = [self._recipients[number] for number in named]
        mail = commands.mail(self._letter, paths, offered)
        wishes = [terms[number] for number in named]
        return mail, [*map(commands.rcpt, paths, wishes, repeat(offered))]

    def _note_refusals(self, named: list[int]) -> dict[int, Reply]:
        """Record who was refused; return those refused for what we are."""
        said = self._dialogue.said
        denied: dict[int, Reply] = {}
        if said and said[0][0] >= 400:
            reply = refusal(said[0], Step.MAIL)
            if misconfigured(reply):
                return dict.fromkeys(named, reply)
            self._give(named, self._refused(reply, alone=True))
            self.refused |= reply.permanent
            return denied
        answers = said[1 : len(named) + 1]
        nobody = not any(answer[0] < 400 for answer in answers)
        for number, answer in zip(named, answers, strict=False):
            if answer[0] < 400:
                continue
            reply = refusal(answer, Step.RCPT)
            if misconfigured(reply):
                denied[number] = reply
            else:
                self._outcomes[number] = self._refused(reply, alone=nobody)
                self.refused |= reply.permanent
        return denied

    def _refused(self, reply: Reply, *, alone: bool) -> Outcome:
        """Return the outcome of a refused sender or recipient.

        With a yes to somebody else beside it, it cannot mean us altogether.
        """
        sign = Sign.OPEN
        if alone and not self.welcome and by_policy(reply):
            sign = Sign.UNWELCOME
        elif not alone and too_many(reply):
            sign = Sign.CROWDED
            self._then = b""  # who had no room comes first
        return Outcome.of(reply, self._relay, sign)

    def _undecided(self) -> list[int]:
        return [n for n in range(len(self._recipients)) if n not in self._outcomes]

    def _give(self, numbers: Iterable[int], outcome: Outcome) -> None:
        for number in numbers:
            self._outcomes[number] = outcome

    def _all(self) -> tuple[Outcome, ...]:
        return tuple(self._outcomes[number] for number in range(len(self._recipients)))
