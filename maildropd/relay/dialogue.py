# SPDX-License-Identifier: Apache-2.0
"""MAIL, RCPT and DATA: said one by one, or in one breath (RFC 2920).

In one breath DATA goes out before it is known whether anybody accepts the
mail; every reply is looked at before a single octet of content follows.
The envelope may also go out behind the final dot of the message before it.
"""

from maildropd.config.relay import RelayConfig
from maildropd.mail.reply import Reply
from maildropd.relay.refusal import Step, refusal
from maildropd.relay.wire import OUT_OF_STEP, Said, Wire

_GROUP = 102  # commands in one write: their replies fit into any receive buffer
_RSET = b"RSET\r\n"
_DATA = b"DATA\r\n"


class Interrupted(Exception):
    """The server ended the conversation before the final dot: nothing was delivered."""

    def __init__(self, reply: Reply, step: Step) -> None:
        """Keep what it said, and where."""
        super().__init__(str(reply))
        self.reply = reply
        self.step = step


class Dialogue:
    """The envelope's part of one transaction; keeps what was answered so far."""

    def __init__(self, wire: Wire, config: RelayConfig) -> None:
        """Prepare; the wire is open and greeted."""
        self.step = Step.MAIL
        self.said: list[Said] = []  # to MAIL, to each RCPT, to DATA
        self._wire = wire
        self._config = config
        self._rcpts = 0
        self._announced = 0  # commands that were sent, and not answered yet
        # Then nothing is said before the content: it names its size instead.
        self.chunked = config.chunking and "chunking" in wire.esmtp_features

    def announce(self, mail: bytes, rcpts: list[bytes]) -> bytes:
        """Return the whole envelope, to be sent by others; b"" if it cannot be."""
        lines = self._lines(mail, rcpts)
        if "pipelining" not in self._wire.esmtp_features or len(lines) > _GROUP:
            return b""
        self._announced = len(lines)
        return b"".join(lines)

    def hear(self) -> bool:
        """Take the answers to what was announced; return what ``say`` returns."""
        self._hear(self._announced)
        return self._is_granted()

    def say(self, mail: bytes, rcpts: list[bytes]) -> bool:
        """Return whether the server now waits for content.

        Stop as soon as it is known that it will not.
        """
        if self._wire.mid_transaction:
            self._at(Step.RSET)
            self._wire.put(_RSET)
            if self._answer(2)[0] >= 400:
                # What was begun is not ended: MAIL would be refused as well,
                # and that no would be taken for one to this message.
                raise self._wire.lost("RSET was refused", OUT_OF_STEP)
            self._wire.mid_transaction = False
        lines = self._lines(mail, rcpts)
        group = _GROUP if "pipelining" in self._wire.esmtp_features else 1
        for start in range(0, len(lines), group):
            if start and not self._hopeful(before_data=start > self._rcpts):
                return False
            self._exchange(lines[start : start + group])
        return self._is_granted()

    def _lines(self, mail: bytes, rcpts: list[bytes]) -> list[bytes]:
        self._rcpts = len(rcpts)
        return [mail, *rcpts] if self.chunked else [mail, *rcpts, _DATA]

    def _is_granted(self) -> bool:
        self._wire.keep_step()
        if self.chunked:
            return self._hopeful(before_data=True)
        return self.said[-1][0] < 400

    def _hopeful(self, *, before_data: bool) -> bool:
        if self.said[0][0] >= 400:
            return False
        return not before_data or any(code < 400 for code, _ in self.said[1:])

    def _exchange(self, group: list[bytes]) -> None:
        self._at(self._step_at(len(self.said)))
        self._wire.put(b"".join(group))
        self._hear(len(group))

    def _hear(self, number: int) -> None:
        for _ in range(number):
            step = self._step_at(len(self.said))
            self._at(step)
            self.said.append(self._answer(3 if step is Step.DATA else 2))
            if step is Step.MAIL and self.said[0][0] < 400:
                self._wire.mid_transaction = True

    def _step_at(self, position: int) -> Step:
        if position == 0:
            return Step.MAIL
        return Step.RCPT if position <= self._rcpts else Step.DATA

    def _at(self, step: Step) -> None:
        config = self._config
        self.step = step
        self._wire.step(
            step, config.data_timeout if step is Step.DATA else config.command_timeout
        )

    def _answer(self, good: int) -> Said:
        said = self._wire.getreply()
        if said[0] == 421:  # closing: nothing that was asked will be answered
            self._wire.close()
            raise Interrupted(refusal(said, self.step), self.step)
        if said[0] < 400 and said[0] // 100 != good:
            raise self._wire.lost(f"unexpected reply {said[0]}", OUT_OF_STEP)
        return said
