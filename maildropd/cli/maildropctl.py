# SPDX-License-Identifier: Apache-2.0
"""The operator's command: look at the queue, and change it."""

import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from maildropd.cli import arguments, importing, render, render_relays, returns, words
from maildropd.cli.desk import Desk, Failed
from maildropd.cli.reach import open_desk
from maildropd.config.errors import ConfigErrors
from maildropd.config.layout import Layout
from maildropd.mail.verp import DELIMITERS

_PAGE = 500
_OF_DAEMON = ("reload", "relays")  # a store alone knows nothing of these


def main(argv: Sequence[str] | None = None) -> int:
    """Do one command; return the exit code."""
    arguments.open_streams()
    found = _parser().parse_args(argv)
    try:
        code = _done(arguments.layout(found), found)
        sys.stdout.flush()
    except Failed as failed:
        print(*failed.args, sep="\n", file=sys.stderr)
        return arguments.FAILED
    except ConfigErrors as errors:
        print(*errors.lines, sep="\n", file=sys.stderr)
        return arguments.MISCONFIGURED
    except OSError as error:
        # Nor may Python's own flush complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if not isinstance(error, BrokenPipeError):  # then the reader has seen enough
            where = words.clean(str(error.filename or "maildropctl"))
            print(f"{where}: {error.strerror or error}", file=sys.stderr)
        return arguments.FAILED
    return code


def _done(layout: Layout, found: Namespace) -> int:
    if alone := _ALONE.get(found.command):
        return alone(layout, found)
    with open_desk(layout, alone=found.command not in _OF_DAEMON) as desk:
        return _COMMANDS[found.command](desk, found)


def _parser() -> arguments.Parser:
    parser = arguments.parser("maildropctl", "Shows the mail queue, and changes it.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("status", help="how things stand")
    relays = commands.add_parser("relays", help="where mail can go, and what fails")
    relays.add_argument("--json", action="store_true", help="one JSON object a line")
    queue = commands.add_parser("queue", help="list what waits, and why")
    queue.add_argument("--json", action="store_true", help="one JSON object a line")
    queue.add_argument("--in-doubt", action="store_true", help="only who may have it")
    show = commands.add_parser("show", help="all about one message")
    show.add_argument("id", metavar="ID")
    explain = commands.add_parser("explain", help="what becomes of an address")
    explain.add_argument("address", metavar="ADDRESS")
    explain.add_argument("--from", metavar="ADDRESS", dest="sender", help="the sender")
    own = os.getuid()
    explain.add_argument("--uid", type=arguments.uid, default=own, help="who submits")
    verp = commands.add_parser("verp", help="whom a list's bounce is about")
    verp.add_argument("address", metavar="ADDRESS")
    verp.add_argument(
        "--list", metavar="ADDRESS", dest="sender", default="", help="the list's own"
    )
    verp.add_argument(
        "--delimiters", metavar="SIGNS", default=DELIMITERS, help="two of - + ="
    )
    commands.add_parser("check", help="every error in the configuration")
    flush = commands.add_parser("flush", help="try deferred recipients now")
    flush.add_argument("ids", metavar="ID", nargs="*")
    for name, does in (
        ("hold", "stop further attempts"),
        ("release", "let held and failed messages go on"),
        ("remove", "take messages out, undelivered"),
    ):
        command = commands.add_parser(name, help=does)
        command.add_argument("ids", metavar="ID", nargs="+")
    commands.add_parser("salvage", help="save what can be read of a damaged queue")
    commands.add_parser("reload", help="have the daemon read its configuration again")
    importing.add_to(commands)
    return parser


def _check(layout: Layout, _: Namespace) -> int:
    return arguments.check(layout)


def _salvage(layout: Layout, _: Namespace) -> int:
    # Rarely needed, and it takes a while.
    from maildropd.cli.salvage import run

    _print(iter(run(layout)))
    return arguments.OK


def _explain(layout: Layout, found: Namespace) -> int:
    # It knows the policies, which the other commands do without.
    from maildropd.cli.explain import run

    _print(run(layout, found.address, found.sender, found.uid))
    return arguments.OK


def _import_config(layout: Layout, found: Namespace) -> int:
    _print(importing.config(layout, found))
    return arguments.OK


def _import_queue(layout: Layout, found: Namespace) -> int:
    _print(importing.queue(layout, found))
    return arguments.OK


def _verp(_: Layout, found: Namespace) -> int:
    _print(returns.run(found.address, found.delimiters, found.sender))
    return arguments.OK


def _status(desk: Desk, _: Namespace) -> int:
    _print(render.status(desk.ask({"command": "status"}), _now()))
    return arguments.OK


def _relays(desk: Desk, found: Namespace) -> int:
    relays = desk.ask({"command": "status"})["relays"]
    if found.json:
        _print(json.dumps(relay) for relay in relays)
    else:
        _print(render_relays.relays(relays))
    return arguments.OK


def _queue(desk: Desk, found: Namespace) -> int:
    messages = _messages(desk)
    if found.in_doubt:
        messages = filter(None, map(_doubtful, messages))
    if found.json:
        _print(json.dumps(message) for message in messages)
        return arguments.OK
    number, states, now = 0, dict[str, int](), _now()
    for message in messages:
        if not number:
            print(render.heading())
        number += 1
        for recipient in message["recipients"]:
            state = recipient["state"]
            states[state] = states.get(state, 0) + 1
        _print(render.listed(message, now))
    if number or not found.in_doubt:
        print(render.totals(number, states))
    else:
        print("nothing is in doubt")
    return arguments.OK


def _doubtful(message: dict[str, Any]) -> dict[str, Any] | None:
    """Return a message with those recipients only of whom nobody knows."""
    left = [each for each in message["recipients"] if each["in_doubt"]]
    return {**message, "recipients": left} if left else None


def _show(desk: Desk, found: Namespace) -> int:
    answer = desk.ask({"command": "show", "id": found.id})
    _print(render.shown(answer["message"], _now()))
    return arguments.OK


def _flush(desk: Desk, found: Namespace) -> int:
    answer = desk.ask({"command": "flush", "ids": found.ids})
    print(f"{words.count(answer['recipients'], 'recipient')} made due")
    return arguments.OK


def _each(desk: Desk, found: Namespace) -> int:
    """Do what can be done, and say what cannot."""
    code = arguments.OK
    for queue_id in found.ids:
        try:
            desk.ask({"command": found.command, "id": queue_id})
        except Failed as failed:
            print(*failed.args, sep="\n", file=sys.stderr)
            code = arguments.FAILED
    return code


def _reload(desk: Desk, _: Namespace) -> int:
    desk.ask({"command": "reload"})
    return arguments.OK


_ALONE: Mapping[str, Callable[[Layout, Namespace], int]] = {
    "check": _check,
    "salvage": _salvage,
    "explain": _explain,
    "verp": _verp,
    "import-config": _import_config,
    "import-queue": _import_queue,
}
_COMMANDS: Mapping[str, Callable[[Desk, Namespace], int]] = {
    "status": _status,
    "relays": _relays,
    "queue": _queue,
    "show": _show,
    "flush": _flush,
    "hold": _each,
    "release": _each,
    "remove": _each,
    "reload": _reload,
}


def _messages(desk: Desk) -> Iterator[dict[str, Any]]:
    """Yield the whole queue, page by page: it may be larger than our memory."""
    after = ""
    while True:
        page = desk.ask({"command": "list", "after": after, "limit": _PAGE})["messages"]
        if not page:
            return
        yield from page
        after = page[-1]["id"]


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        print(line)


def _now() -> datetime:
    return datetime.now(UTC)
