# SPDX-License-Identifier: Apache-2.0
"""What routes must keep to: one action each, and names of what there is."""

import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

from maildropd.config.errors import nearest
from maildropd.config.lines import Section
from maildropd.config.model import Config
from maildropd.config.routes import RouteConfig

Complaint = tuple[Section, str, str]

DOORS = ("sendmail", "smtp", "double-bounce")
_LIBRARY = "dns"  # dnspython's module


def complaints(config: Config) -> Iterator[Complaint]:
    """Yield what is wrong with each route."""
    relays = [relay.name for relay in config.relays]
    for route in config.routes:
        section = Section(kind="route", name=route.name)
        yield from _action(section, route)
        yield from _relays(section, route, relays)
        yield from _submitters(section, route, config)


def _action(section: Section, route: RouteConfig) -> Iterator[Complaint]:
    if not (route.recipient or route.sender or route.submitter):
        yield section, "recipient", "must say for which mail it is (try *)"
    given = {
        "relay": bool(route.relay),
        "mx": route.by_mx,
        "discard": route.discard,
        "error": route.error is not None,
        "capture": route.capture is not None,
    }
    found = [key for key, said in given.items() if said]
    if not found:
        yield section, "relay", "must say where that mail goes, or mx, or discard"
    for key in found[1:]:
        yield section, key, f"and {found[0]} exclude each other"


def _relays(
    section: Section, route: RouteConfig, relays: Sequence[str]
) -> Iterator[Complaint]:
    for share in route.relay:
        if share.relay not in relays:
            hint = nearest(share.relay, relays)
            yield section, "relay", f"contains {share.relay}, which is no relay{hint}"
    if not route.by_mx:
        return
    if route.template and route.template not in relays:
        known = ["yes", *relays]
        yield section, "mx", f"is no [relay NAME]{nearest(route.template, known)}"
    if find_spec(_LIBRARY) is None:
        yield section, "mx", "needs dnspython (try apt install python3-dnspython)"


def _submitters(
    section: Section, route: RouteConfig, config: Config
) -> Iterator[Complaint]:
    known = [
        *(each.name for each in config.submitters),
        *DOORS,
        *(f"spool={each.name}" for each in config.spools),
    ]
    for word in route.submitter:
        if word in known or re.fullmatch(r"uid=[0-9]{1,10}", word):
            continue
        if "." in word and "=" not in word:  # a unit, or a pattern for units
            continue
        hint = nearest(word, [*known, "uid=1000", "cron.service"])
        yield section, "submitter", f"contains {word}, which is nobody{hint}"
