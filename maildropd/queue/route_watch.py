# SPDX-License-Identifier: Apache-2.0
"""What each attempt says about the way: told to the breaker, and to people."""

from collections.abc import Callable
from datetime import timedelta

from maildropd.mail.envelope import QueueId
from maildropd.mail.errors import NotTrusted, RouteError, RouteMisconfigured
from maildropd.mail.event import Journal
from maildropd.mail.outcome import Outcome
from maildropd.mail.reply import Reply
from maildropd.mail.route_events import (
    DomainUnreachable,
    RouteAlarm,
    RouteCrowded,
    RouteFailed,
    RouteRestored,
)
from maildropd.queue.breaker import UNREACHABLE, UNWELCOME, Breaker, Broken
from maildropd.queue.standing import (
    Belief,
    Standing,
    answered,
    delivered,
    put_off,
    unwelcome,
)

_LATELY = timedelta(minutes=1)


class RouteWatch:
    """Tells the breaker and the journal how a route fares."""

    def __init__(
        self,
        destination: str,
        breaker: Breaker,
        journal: Journal,
        trouble: type[RouteFailed | DomainUnreachable] = RouteFailed,
    ) -> None:
        """Watch one next hop; ``trouble`` is what tells that it cannot be used."""
        self.destination = destination
        self._breaker = breaker
        self._journal = journal
        self._trouble = trouble
        self._standing = Standing()
        self._answered: timedelta | None = None

    @property
    def reply(self) -> Reply | None:
        """Why the route does not work, or None."""
        broken = self._breaker.broken
        return None if broken is None else broken.reply

    @property
    def broken_for(self) -> timedelta:
        """How long it has not worked."""
        return self._breaker.lasted()

    @property
    def serves(self) -> bool:
        """Tell whether it answered about a message not long ago."""
        now = self._breaker.clock.monotonic()
        return self._answered is not None and now - self._answered < _LATELY

    def crowded(self, connections: int, reply: Reply) -> None:
        """Tell that the next hop serves so many connections, and no more."""
        relay = self.destination
        self._journal.emit(
            RouteCrowded(relay=relay, connections=connections, reply=reply)
        )

    def failed(self, error: RouteError) -> None:
        """Note that the next hop could not be used."""
        refused = isinstance(error, RouteMisconfigured)
        pace = UNREACHABLE if isinstance(error, NotTrusted) else None
        self._tell(self._breaker.failed(error.reply, refused=refused, pace=pace))

    def weighed(
        self, queue_id: QueueId, outcomes: tuple[Outcome, ...]
    ) -> tuple[Outcome, ...]:
        """Note what the next hop answered about a message; return what to believe.

        A refusal by policy fails nothing before it is known that it is about
        this message.  A conversation that was cut off says nothing new.
        """
        refusals = unwelcome(outcomes)
        if delivered(outcomes):
            self._standing.taken()
        elif refusals:
            belief = self._standing.refused(queue_id)
            if belief is Belief.ABOUT_US:
                self._tell(self._breaker.failed(refusals[0].reply, pace=UNWELCOME))
            if belief is not Belief.ABOUT_MAIL:
                return put_off(outcomes)
        elif not answered(outcomes):
            return outcomes
        self._works()
        return outcomes

    def _works(self) -> None:
        self._answered = self._breaker.clock.monotonic()
        delay = self._breaker.works()
        if delay is not None:
            self._journal.emit(RouteRestored(relay=self.destination, delay=delay))

    def _tell(self, news: Broken | None) -> None:
        if news is None:
            return
        kind: Callable[..., RouteFailed | DomainUnreachable | RouteAlarm]
        kind = RouteAlarm if news.refused else self._trouble
        self._journal.emit(
            kind(relay=self.destination, reply=news.reply, retry_in=news.retry_in)
        )
