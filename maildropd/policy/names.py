# SPDX-License-Identifier: Apache-2.0
"""Whose mail is local, and where each recipient's goes.

A name is completed, looked up in the aliases as often as they name local names,
sent to the one address for local mail, and passed through the forward map.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from maildropd.config.model import NamesConfig
from maildropd.mail.address import parse_list
from maildropd.mail.draft import Recipient
from maildropd.mail.envelope import Terms
from maildropd.mail.errors import BadAddress, MailError, TooManyRecipients
from maildropd.policy.aliases import Aliases, AliasTrouble
from maildropd.policy.forward_map import ForwardMap

_DEPTH = 20
_LOCALHOST = frozenset(("localhost", "localhost.localdomain"))
_RUNS = ("|", "/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that became of an address, and what said so."""

    address: str
    became: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What becomes of mail for one address, as far as it goes well."""

    steps: tuple[Step, ...]
    recipients: tuple[Recipient, ...]
    trouble: MailError | None = None


@dataclass(slots=True)
class _Way:
    """The aliases between a recipient and where it goes, and what was noted."""

    terms: Terms
    names: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    # Local addresses that were followed.  Aliases that name each other twice,
    # twenty in a row, would else be followed a million times.
    done: set[str] = field(default_factory=set)

    def beyond(self, name: str) -> "_Way":
        """Return the same way, one alias further."""
        return _Way(self.terms, (*self.names, name), self.steps, self.done)

    def note(self, address: str, became: str, why: str) -> None:
        self.steps.append(Step(address=address, became=became, why=why))


class Names:
    """What is known of our own names; safe to call from any thread."""

    def __init__(
        self,
        config: NamesConfig,
        hostname: str,
        aliases: Aliases,
        forwards: ForwardMap,
    ) -> None:
        """Take what the administrator said, and this host's name."""
        self._config = config
        self._aliases = aliases
        self._forwards = forwards
        self.domain = config.domain or hostname
        known = (hostname, self.domain, *config.local_names, *_LOCALHOST)
        self._ours = frozenset(name.lower().rstrip(".") for name in known)

    def qualify(self, address: str) -> str:
        """Add our domain to a bare name, and to one at localhost."""
        local_part, domain = parts(address)
        if domain and domain.lower() not in _LOCALHOST:
            return address
        return f"{local_part}@{self.domain}"

    def is_local(self, address: str) -> bool:
        """Tell whether an address is at one of our names, or at none."""
        domain = parts(address)[1]
        return not domain or domain.lower() in self._ours

    def expand(
        self, recipients: Sequence[Recipient], limit: int
    ) -> tuple[Recipient, ...]:
        """Return where mail for these goes, each once.

        Raise ``AliasTrouble``, ``BadAddress`` or ``TooManyRecipients``.
        """
        found: dict[tuple[str, str], Recipient] = {}
        done: set[str] = set()
        for recipient in recipients:
            way = _Way(recipient.terms, done=done)
            for one in self._resolved(recipient.forward_path, way):
                local_part, domain = parts(one.forward_path)
                name = f"{local_part}@{domain.lower()}"
                found.setdefault((name, one.terms.run), one)
                if len(found) > limit:
                    raise TooManyRecipients(f"more than {limit} recipients")
        return tuple(found.values())

    def explain(self, address: str, limit: int) -> Story:
        """Return each step, and where the mail goes; never raise."""
        way, found = _Way(Terms()), list[Recipient]()
        trouble: MailError | None = None
        try:
            for one in self._resolved(address, way):
                found.append(one)
                if len(found) > limit:
                    raise TooManyRecipients(f"more than {limit} recipients")
        except MailError as error:
            trouble = error
        return Story(steps=tuple(way.steps), recipients=tuple(found), trouble=trouble)

    def _resolved(self, address: str, way: _Way) -> Iterator[Recipient]:
        whole = self.qualify(address)
        if whole != address:
            way.note(address, whole, "completed ([names] domain)")
        if not self.is_local(whole):
            yield self._forwarded(whole, way)
            return
        alias = self._aliases.find(parts(whole)[0])
        if alias is None:
            yield self._local(whole, way)
            return
        place = self._aliases.place(alias)
        if alias.name in way.names:
            raise AliasTrouble(f"{place}: {alias.name} leads to itself")
        if len(way.names) >= _DEPTH:
            raise AliasTrouble(f"{place}: {_DEPTH} aliases lead to {alias.name}")
        if whole.lower() in way.done:
            way.note(whole, "", "as above")
            return
        way.done.add(whole.lower())
        values = self._aliases.values(alias)
        way.note(whole, ", ".join(values), place)
        for value in values:
            yield from self._value(value, whole, place, way.beyond(alias.name))

    def _value(
        self, value: str, alias: str, place: str, way: _Way
    ) -> Iterator[Recipient]:
        if value.startswith(_RUNS):
            if not self._config.aliases_may_run:
                words = f"{place}: {value[0]} needs aliases_may_run in [names]"
                raise AliasTrouble(words)
            if not value.replace("\t", " ").isprintable():
                raise AliasTrouble(f"{place}: {value!a} is not printable UTF-8")
            yield Recipient(forward_path=alias, terms=replace(way.terms, run=value))
            return
        try:
            target = _address(value.removeprefix("\\"))
        except BadAddress as error:
            raise AliasTrouble(f"{place}: {error}") from error
        is_itself = parts(target)[0].lower() == way.names[-1] and self.is_local(target)
        if value.startswith("\\") or is_itself:
            yield self._local(self.qualify(target), way)
        else:
            yield from self._resolved(target, way)

    def _local(self, address: str, way: _Way) -> Recipient:
        other = self._config.local_to
        if other and other != address:
            way.note(address, other, "all local mail ([names] local_to)")
            address = other
        return self._forwarded(address, way)

    def _forwarded(self, address: str, way: _Way) -> Recipient:
        forwarded, place = self._forwards.apply(address)
        if place:
            way.note(address, forwarded, place)
        return Recipient(forward_path=self.qualify(forwarded), terms=way.terms)


def _address(value: str) -> str:
    """Return the one address in a value of an alias; raise ``BadAddress``.

    ``:name:`` is how other mail systems write what we do not know.
    """
    found = () if value.startswith(":") else parse_list(value)
    if len(found) != 1:
        raise BadAddress(f"not an address: {value!a}")
    return found[0]


def parts(address: str) -> tuple[str, str]:
    """Return local part and domain; the domain of a bare name is empty."""
    local_part, at, domain = address.rpartition("@")
    # "a@b" in quotes has its @ within.
    if not at or domain.endswith('"'):
        return address, ""
    return local_part, domain
