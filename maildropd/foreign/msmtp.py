# SPDX-License-Identifier: Apache-2.0
"""The configuration of msmtp 1.8: commands, gathered into accounts.

Nothing in it is run: neither ``eval`` nor ``passwordeval``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.msmtp_account import describe
from maildropd.foreign.msmtp_words import Account, Said, is_command
from maildropd.foreign.page import Page

_COMMAND = re.compile(r"\s*(\S+)(?:\s+(.*?))?\s*")


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What the lines so far have said."""

    defaults: dict[str, Said] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    present: dict[str, Said] | None = None


def imported(path: Path) -> Imported:
    """Read /etc/msmtprc, or somebody's own; raise ``Unreadable``."""
    page = Page("msmtp", path)
    accounts = [each for each in _accounts(path, page).values() if "host" in each.said]
    if not accounts:
        raise Unreadable(str(path), "there is no account with a host")
    chosen = next((each for each in accounts if each.name == "default"), accounts[0])
    if chosen.name != "default":
        text = 'there is no account "default": this one takes all mail'
        page.note(chosen.where, chosen.name, text)
    # An account that only passes on another's settings is the same relay.
    others = [each for each in accounts if each is not chosen]
    others = [each for each in others if each.said != chosen.said or each.sender]
    describe(chosen, "smarthost", page, home=path)
    for account in others:
        if account.said != chosen.said:
            describe(account, _relay_name(account), page, home=path)
    if any(account.said != chosen.said for account in others):
        page.say("queue", "relay", "smarthost", chosen.where)
    _by_sender([chosen, *others], chosen, page)
    return page.imported()


def _accounts(path: Path, page: Page) -> Mapping[str, Account]:
    reading = _Reading()
    for where, name, argument in _commands(path):
        if name == "defaults":
            reading.present = reading.defaults
        elif name == "account":
            _open(reading, where, argument)
        elif name == "eval":
            text = "is not run: write what it prints into the file, and import again"
            page.note(where, name, text)
        elif reading.present is None:
            raise Unreadable(where, f"{name} stands before any account")
        elif not is_command(name):
            raise Unreadable(where, f"{name} is no command of msmtp's")
        else:
            reading.present[name] = Said(value=argument, where=where)
    return reading.accounts


def _commands(path: Path) -> Iterator[tuple[str, str, str]]:
    for where, line in files.lines(path):
        found = _COMMAND.fullmatch(line)
        if not found or found[1].startswith("#"):
            continue
        argument = found[2] or ""
        if len(argument) > 1 and argument[0] == argument[-1] == '"':
            argument = argument[1:-1]
        yield where, found[1], argument


def _open(reading: _Reading, where: str, argument: str) -> None:
    """Begin an account, with what it has from the defaults and from others."""
    name, _, parents = (part.strip() for part in argument.partition(":"))
    if not name or re.search(r"[\s,]", name):
        raise Unreadable(where, f'account "{name}" has no name that can be one')
    if name in reading.accounts:
        raise Unreadable(where, f"account {name} is already defined")
    said = dict(reading.defaults)
    for parent in filter(None, (part.strip() for part in parents.split(","))):
        if parent not in reading.accounts:
            raise Unreadable(where, f"account {parent} is not defined before this line")
        said |= reading.accounts[parent].said
    reading.accounts[name] = Account(name=name, where=where, said=said)
    reading.present = said


def _relay_name(account: Account) -> str:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", account.name).lstrip("_.-")
    return name[:64] if name != "smarthost" else "smarthost2"


def _by_sender(accounts: Sequence[Account], chosen: Account, page: Page) -> None:
    """The account with a matching ``from`` takes the mail; the first one counts."""
    for account in accounts:
        if account.said == chosen.said:
            continue
        if not account.sender:
            name = _relay_name(account)
            text = f"is chosen by msmtp -a only: let a [route NAME] lead to {name}"
            page.note(account.where, account.name, text)
            continue
        word = _pattern(account.sender)
        if not word:
            text = "has no equal: write a [route NAME] with sender"
            page.note(account.said["from"].where, "from", text)
            continue
        where, section = account.said["from"].where, f"route {_relay_name(account)}"
        page.say(section, "sender", word, where)
        page.say(section, "relay", _relay_name(account), where)


def _pattern(sender: str) -> str:
    """Return a sender of msmtp's, which may be a pattern of the shell's, as ours."""
    if "%" in sender:
        return ""
    user, _, domain = sender.rpartition("@")
    if user == "*" and not re.search(r"[][*?/]", domain):
        return domain
    if not re.search(r"[][*?]", sender):
        return sender
    if re.search(r"[][/\s,]", sender):
        return ""
    signs = {"*": ".*", "?": "."}
    return f"/^{''.join(signs.get(sign) or re.escape(sign) for sign in sender)}$/"
