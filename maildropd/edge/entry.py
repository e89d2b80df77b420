# SPDX-License-Identifier: Apache-2.0
"""From a draft that somebody handed over to a message that is on disk.

Every way in comes through here: policies, then the injector.  Whoever asks
hears of success only when the message would survive a power cut.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain
from typing import Protocol

from maildropd.edge.ferry import Ferry
from maildropd.mail.draft import Draft, Recipient
from maildropd.mail.envelope import DEFAULT_TERMS, Submission, Submitter
from maildropd.mail.errors import MailError
from maildropd.mail.message import message_id
from maildropd.store.base import Stored

KEY_LIFETIME = timedelta(days=2)


class Gate(Protocol):
    """What every submitter has to pass; policy/gate.py is one."""

    def known(self, submitter: Submitter) -> Submitter:
        """Return the submitter with the name of the section that applies."""
        ...

    def may_speak_for_others(self, submitter: Submitter) -> bool:
        """Tell whether he may say who his clients are."""
        ...

    def own_address(self, submitter: Submitter) -> str:
        """Return the address of a submitter who names none."""
        ...

    def full_name(self, submitter: Submitter) -> str:
        """Return what the accounts of the host call him; it may be empty."""
        ...

    def check_sender(self, reverse_path: str | None, submitter: Submitter) -> None:
        """Raise ``PermanentError`` if mail from there would be refused."""
        ...

    def resolved(self, address: str, submitter: Submitter) -> Sequence[str]:
        """Return where mail for an address goes; raise ``MailError``."""
        ...

    def check_recipient(self, forward_path: str, submitter: Submitter) -> None:
        """Raise ``MailError`` if mail to there would be refused."""
        ...

    def undo(self, draft: Draft, submitter: Submitter) -> None:
        """Give back what was taken of a quota: it was not stored after all."""
        ...

    def admit(self, draft: Draft, submitter: Submitter) -> Draft:
        """Return what is to be stored; raise ``MailError``."""
        ...

    def size_limit(self, submitter: Submitter) -> int:
        """Return how many octets a message of his may have."""
        ...

    def recipient_limit(self, submitter: Submitter) -> int:
        """Return how many recipients a message of his may have."""
        ...

    def connection_limit(self, submitter: Submitter) -> int:
        """Return how many connections he may have."""
        ...


class Injector(Protocol):
    """The one door into the store."""

    def submit(self, submission: Submission) -> Future[Stored]:
        """Read the content before returning; done when it is durable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What is to be stored, of which a quota was taken."""

    submission: Submission
    undo: Callable[[], None]  # gives back what was taken

    def submitted(self, submit: Callable[[], Future[Stored]]) -> Future[Stored]:
        """Submit it; the next try of what is not stored takes its quota anew."""
        with ExitStack() as undo:
            undo.callback(self.undo)
            stored = submit()
            undo.pop_all()
        stored.add_done_callback(self._done)
        return stored

    def _done(self, stored: Future[Stored]) -> None:
        if stored.cancelled() or stored.exception():
            self.undo()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Policies and injector, as one configuration has them."""

    gate: Gate
    injector: Injector
    ferry: Ferry

    def submit(
        self, draft: Draft, submitter: Submitter, key: str | None
    ) -> Future[Stored]:
        """Have a draft stored; raise ``MailError`` if a policy refuses it.

        The body is read before this returns.  ``key`` is the submitter's own:
        the same from another user, or another host, means nothing.
        """
        draft = self.gate.admit(draft, submitter)
        whose = submitter.client if submitter.uid is None else submitter.uid
        key = key and f"client:{whose}:{key}"
        lifetime = KEY_LIFETIME if key else None
        passed = Passed(
            submission=submission(draft, submitter, key, lifetime),
            undo=partial(self.gate.undo, draft, submitter),
        )
        return passed.submitted(lambda: self.injector.submit(passed.submission))

    async def store(
        self,
        draft: Callable[[], Draft],
        submitter: Submitter,
        key: str | None,
        *,
        small: bool,
    ) -> Stored:
        """Do the same from the main loop, which a large message would hold up."""
        if small:
            stored = self.submit(draft(), submitter, key)
            return await _to_the_end(self.ferry.carry(stored))

        def submit() -> Future[Stored]:
            try:
                return self.submit(draft(), submitter, key)
            except MailError as error:
                # Its frames would hold the header for as long as the error lives.
                raise error.with_traceback(None) from error.__cause__

        return await _to_the_end(self._large(submit))

    async def _large(self, submit: Callable[[], Future[Stored]]) -> Stored:
        """One after the other: a header may have megabytes, and each policy copies it.

        The wait for the disk is not part of a turn, so that commits are shared.
        """
        async with self.ferry.large:
            stored = await asyncio.to_thread(submit)
        return await self.ferry.carry(stored)


async def _to_the_end(work: Awaitable[Stored]) -> Stored:
    """Wait, and do not let a stop come between a commit and the word on it.

    Who hears no and is stored all the same sends it again, and it goes out twice.
    """
    future = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        stored = await future
        task = asyncio.current_task()
        if task:
            task.cancel()  # at the next wait, when the word is said
        return stored


def submission(
    draft: Draft,
    submitter: Submitter,
    key: str | None,
    key_lifetime: timedelta | None = None,
) -> Submission:
    """Make a submission of a draft that has passed."""
    terms = tuple(each.terms for each in draft.recipients)
    return Submission(
        reverse_path=draft.reverse_path,
        recipients=tuple(each.forward_path for each in draft.recipients),
        submitter=submitter,
        content=_content(draft.header, draft.body),
        key=key,
        key_lifetime=key_lifetime,
        message_id=message_id(draft.header),
        terms=terms if any(each != DEFAULT_TERMS for each in terms) else (),
        ret=draft.ret,
        envid=draft.envid,
        verp=draft.verp if draft.reverse_path else "",
        hold=draft.hold,
    )


def recipients(addresses: Iterable[str]) -> tuple[Recipient, ...]:
    """Make recipients who are served on no terms of their own."""
    return tuple(Recipient(forward_path=address) for address in addresses)


def _content(header: bytes, body: Iterable[bytes]) -> Iterator[bytes]:
    return chain((header,), body) if header else iter(body)
