# SPDX-License-Identifier: Apache-2.0
"""The parsers of what comes from outside, each a function of any octets.

A target returns nothing; what is wrong it raises.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

Target = Callable[[bytes], None]

TARGETS: Mapping[str, str] = {
    "addresses": "tests.fuzz.mail_targets:addresses",
    "header": "tests.fuzz.mail_targets:header",
    "spool": "tests.fuzz.mail_targets:spool",
    "aliases": "tests.fuzz.policy_targets:aliases",
    "authors": "tests.fuzz.policy_targets:authors",
    "letters": "tests.fuzz.relay_targets:letters",
    "paths": "tests.fuzz.relay_targets:paths",
    "conversions": "tests.fuzz.conversion_targets:conversions",
    "returns": "tests.fuzz.conversion_targets:returns",
    "replies": "tests.fuzz.relay_targets:replies_read",
    "deliveries": "tests.fuzz.relay_targets:deliveries",
    "sessions": "tests.fuzz.relay_targets:sessions",
    "scram": "tests.fuzz.identity_targets:scram",
    "answers": "tests.fuzz.identity_targets:answers",
    "kept": "tests.fuzz.identity_targets:kept",
    "certificates": "tests.fuzz.identity_targets:certificates",
    "signatures": "tests.fuzz.identity_targets:signatures",
    "bounces": "tests.fuzz.bounce_target:bounces",
    "config": "tests.fuzz.said_targets:config",
    "values": "tests.fuzz.said_targets:values_read",
    "secrets": "tests.fuzz.said_targets:secrets",
    "control": "tests.fuzz.control_target:control",
    "log": "tests.fuzz.shown_targets:log",
    "screen": "tests.fuzz.shown_targets:screen",
}


def target(name: str) -> Target:
    """Return a target by its name."""
    if name == "broken":
        return broken
    module, _, function = TARGETS[name].partition(":")
    found: Target = getattr(import_module(module), function)
    return found


def broken(octets: bytes) -> None:
    """Fail, to show that a search finds what does."""
    if octets.startswith(b"."):
        raise AssertionError("a dot begins a line")
