# SPDX-License-Identifier: Apache-2.0
"""What would become of an address, step by step; nothing is sent.

Everything is read from the configuration, as the daemon would read it.
"""

import os
import sys
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from maildropd.cli.desk import Failed
from maildropd.cli.explain_way import way
from maildropd.cli.words import clean
from maildropd.config.layout import Layout
from maildropd.config.model import Config, SubmitterConfig
from maildropd.config.read import read
from maildropd.host.accounts import Accounts
from maildropd.host.clock import SystemClock
from maildropd.host.process import become_owner_of, host_name
from maildropd.mail.address import parse_list
from maildropd.mail.draft import Recipient
from maildropd.mail.envelope import Submitter
from maildropd.mail.errors import BadAddress, MailError
from maildropd.mail.event import Event
from maildropd.policy import authors, senders
from maildropd.policy.aliases import Aliases
from maildropd.policy.forward_map import ForwardMap
from maildropd.policy.names import Names
from maildropd.policy.rules import Rule, Rules


class OnStderr:
    """A journal for one command: what is wrong with the aliases is said at once."""

    def emit(self, event: Event) -> None:
        """Say it."""
        sys.stderr.write(f"{clean(event.text())}\n")


def run(layout: Layout, address: str, sender: str | None, uid: int) -> Iterator[str]:
    """Yield the steps; raise ``Failed`` where mail would be refused."""
    config = read(layout)
    _see_as_the_daemon(config.daemon.state_directory)
    try:
        yield from _told(config, address, sender, uid)
    except MailError as error:
        raise Failed(
            clean(f"{error.reply.code} {error.reply.status} {error}")
        ) from error


def _told(config: Config, address: str, sender: str | None, uid: int) -> Iterator[str]:
    names = _names(config)
    rules, submitter = _rules(config), Submitter(name="sendmail", uid=uid)
    rule = rules.of(submitter)
    yield from _submitter(rule, uid)
    reverse_path = yield from _sender(config, names, rule, sender)
    limits = rules.limits(rule, config.queue)
    story = names.explain(_one(address), limits.recipients)
    for step in story.steps:
        became = f" becomes {clean(step.became)}" if step.became else ""
        yield f"{clean(step.address)}{became}: {clean(step.why)}"
    if story.trouble:
        raise story.trouble
    submitter = replace(submitter, rules=rule.name)
    for one in story.recipients:
        to, told, run = _redirected(rule.section, one)
        yield f"to {told}: {way(config, submitter, reverse_path, to, run)}"


def _one(address: str) -> str:
    """Return an address as a command line names it; raise ``BadAddress``."""
    found = parse_list(address)
    if len(found) != 1:
        raise BadAddress(f"not one address: {address!a}")
    return found[0]


def _see_as_the_daemon(folder: Path) -> None:
    """Root may read aliases that the daemon cannot."""
    with suppress(FileNotFoundError, NotADirectoryError):
        become_owner_of(folder)


def _names(config: Config) -> Names:
    journal, said = OnStderr(), config.names
    aliases = Aliases(said.aliases, journal)
    forwards = ForwardMap(said.forward_map, journal)
    return Names(said, config.daemon.hostname or host_name(), aliases, forwards)


def _rules(config: Config) -> Rules:
    own = _owner(config.daemon.state_directory)
    accounts = Accounts(SystemClock())
    return Rules(config.submission, config.submitters, accounts, own)


def _owner(folder: Path) -> int:
    """Return the daemon's uid."""
    try:
        return os.stat(folder).st_uid
    except OSError:
        return os.geteuid()


def _submitter(rule: Rule, uid: int) -> Iterator[str]:
    where = f"[submitter {rule.name}]" if rule.section else "no [submitter] section"
    may = "may use any name" if rule.any_sender else f"{rule.otherwise} of other names"
    yield f"uid {uid} is {clean(rule.account.login)}: {where} applies, {may}"


def _sender(
    config: Config, names: Names, rule: Rule, sender: str | None
) -> Generator[str, None, str | None]:
    """Yield what becomes of a sender; return what is left of it."""
    if sender in ("", "<>"):
        yield "from <>"
        return None
    address = _one(sender) if sender else senders.own_address(rule, names)
    whole = names.qualify(address)
    if not senders.may_use(whole, rule, names):
        if rule.otherwise == "refuse":
            senders.check(whole, rule, names)
        own = senders.own_address(rule, names)
        yield f"from {clean(whole)} becomes {own}: he may not use it"
        whole = own
    mask = authors.masqueraded(whole, config.names.rewrite_from, names)
    if mask != whole:
        yield f"from {clean(whole)} becomes {mask}: [names] rewrite_from"
    yield f"from {clean(mask)}"
    return mask


def _redirected(
    section: SubmitterConfig | None, one: Recipient
) -> tuple[str, str, str]:
    """Return who gets the mail, how that is told, and what is run for it."""
    to, run = one.forward_path, one.terms.run
    if section and section.redirect_to:
        told = f"{section.redirect_to} in place of {clean(run or to)}"
        return section.redirect_to, told, ""
    return to, clean(to), run
