# SPDX-License-Identifier: Apache-2.0
"""What values must keep to together; each complaint stands at one key.

A yield is section, key, and words; the reader knows the place of the key.
"""

from collections.abc import Iterator
from pathlib import Path

from maildropd.config import dkim, route_checks
from maildropd.config.errors import nearest
from maildropd.config.lines import Section
from maildropd.config.model import Config, QueueConfig, SubmitterConfig
from maildropd.config.relay import RelayConfig, Tls
from maildropd.config.relay_checks import identity

Complaint = tuple[Section, str, str]


def complaints(config: Config) -> Iterator[Complaint]:
    """Yield everything that does not fit together."""
    yield from _queue(config.queue)
    yield from _spools(config)
    yield from _which_relay(config)
    for relay in config.relays:
        yield from _relay(relay)
        yield from _socket(relay)
    for submitter in config.submitters:
        yield from _submitter(submitter, config)
    yield from route_checks.complaints(config)
    for each in config.dkim:
        section = Section(kind="dkim", name=each.name)
        yield from ((section, key, words) for key, words in dkim.complaints(each))


def _queue(queue: QueueConfig) -> Iterator[Complaint]:
    section = Section(kind="queue")
    default = QueueConfig()
    if queue.first_retry > queue.slowest_retry:
        if queue.slowest_retry == default.slowest_retry:
            yield section, "first_retry", "is longer than slowest_retry (4h)"
        else:
            yield section, "slowest_retry", "is shorter than first_retry"
    if queue.give_up_after <= queue.first_retry:
        if queue.give_up_after == default.give_up_after:
            yield section, "first_retry", "is not shorter than give_up_after"
        else:
            yield section, "give_up_after", "is not longer than first_retry"


def _spools(config: Config) -> Iterator[Complaint]:
    drops: dict[Path, str] = {}
    for spool in config.spools:
        section = Section(kind="spool", name=spool.name)
        if other := drops.get(spool.path):
            yield section, "path", f"is also the path of [spool {other}]"
        drops.setdefault(spool.path, spool.name)
    for spool in config.spools:
        section = Section(kind="spool", name=spool.name)
        for folder in (spool.quarantine, *spool.quarantine.parents):
            if name := drops.get(folder):
                yield section, "quarantine", f"is inside the drop of [spool {name}]"
        if spool.path == config.daemon.state_directory:
            yield section, "path", "is the state_directory of [daemon]"


def _which_relay(config: Config) -> Iterator[Complaint]:
    """With several relays, nobody can tell which takes all mail."""
    names, said = [relay.name for relay in config.relays], config.queue.relay
    section = Section(kind="queue")
    if said and said not in names:
        yield section, "relay", f"is no [relay NAME]{nearest(said, names)}"
    if not said and len(names) > 1:
        yield section, "relay", f"must name one of {', '.join(names)}"


def _submitter(submitter: SubmitterConfig, config: Config) -> Iterator[Complaint]:
    section = Section(kind="submitter", name=submitter.name)
    spools = [spool.name for spool in config.spools]
    for spool in submitter.spool:
        if spool not in spools:
            yield section, "spool", f"names no [spool {spool}]{nearest(spool, spools)}"
    names = [relay.name for relay in config.relays]
    if submitter.relay and submitter.relay not in names:
        hint = nearest(submitter.relay, names)
        yield section, "relay", f"is no [relay NAME]{hint}"
    if submitter.relay and submitter.capture:
        yield section, "capture", "and relay exclude each other"


def _relay(relay: RelayConfig) -> Iterator[Complaint]:
    section = Section(kind="relay", name=relay.name)
    if relay.password_credential and relay.password_file:
        yield section, "password_file", "and password_credential exclude each other"
    if relay.has_password and not relay.username:
        key = "password_file" if relay.password_file else "password_credential"
        yield section, key, "needs username"
    if relay.username and relay.tls is Tls.NONE and not relay.auth_in_clear:
        yield section, "tls", "never sends a password in clear (try required)"
    for key, words in identity(relay):
        yield section, key, words


def _socket(relay: RelayConfig) -> Iterator[Complaint]:
    section = Section(kind="relay", name=relay.name)
    if not relay.socket:
        return
    if relay.tls in (Tls.REQUIRED, Tls.IMPLICIT):
        yield section, "tls", "is of no use with a socket (leave it out)"
    if relay.port:
        yield section, "port", "and socket exclude each other"
    if relay.host != RelayConfig(name="").host:
        yield section, "host", "and socket exclude each other"
