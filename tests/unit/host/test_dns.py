# SPDX-License-Identifier: Apache-2.0
"""What a name server says, and what it does not say, are told apart."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.host.dns import Answer, NameTrouble, Resolver
from tests.fakes.name_server import NXDOMAIN, REFUSED, SERVFAIL, NameServer, Zone

HOME = Path(__file__).parents[3]
TTL = timedelta(seconds=300)
ZONE: Zone = {
    "example.net MX": ["20 mx2.example.net.", "10 mx1.example.net."],
    "old.example A": ["192.0.2.1"],
    "new.example AAAA": ["2001:db8::1"],
    "web.example TXT": [],
    "null.example MX": ["0 ."],
    "xn--bcher-kva.example MX": ["10 mx.example."],
}


def asked(zone: Zone, domain: str, seconds: float = 10) -> Answer:
    with NameServer(zone) as server:
        resolver = Resolver(timedelta(seconds=seconds), ["127.0.0.1"], server.port)
        return resolver.mail_exchange(domain)


@pytest.mark.parametrize(
    ("domain", "exchanges"),
    [
        (
            "example.net",
            {(10, "mx1.example.net."), (20, "mx2.example.net.")},
        ),
        ("null.example", {(0, ".")}),
        ("b\xfccher.example", {(10, "mx.example.")}),
    ],
)
def test_the_exchanges_of_a_domain_are_found(
    domain: str, exchanges: set[tuple[int, str]]
) -> None:
    answer = asked(ZONE, domain)

    assert answer.exists
    assert set(answer.exchanges) == exchanges
    assert answer.ttl == TTL


@pytest.mark.parametrize(
    ("domain", "has_address"),
    [("old.example", True), ("new.example", True), ("web.example", False)],
)
def test_without_any_the_address_of_the_domain_is_looked_for(
    domain: str, *, has_address: bool
) -> None:
    answer = asked(ZONE, domain)

    assert answer.exists
    assert answer.exchanges == ()
    assert answer.has_address is has_address


@pytest.mark.parametrize(
    "domain", ["nowhere.example", "", "a..b", "x" * 64 + ".example", "b\u2028d.example"]
)
def test_what_is_no_domain_does_not_exist(domain: str) -> None:
    zone = {**ZONE, "nowhere.example MX": NXDOMAIN}

    assert not asked(zone, domain).exists or not asked(zone, domain).exchanges


@pytest.mark.parametrize(
    "trouble",
    [SERVFAIL, REFUSED, b"", b"nonsense", b"\xff" * 512, None],
    ids=["SERVFAIL", "REFUSED", "empty", "garbage", "more garbage", "silence"],
)
def test_trouble_is_no_answer(trouble: int | bytes | None) -> None:
    """A mistake in a zone must not bounce the mail of a night."""
    began = time.monotonic()
    with pytest.raises(NameTrouble):
        asked({"example.net MX": trouble}, "example.net", seconds=1)

    assert time.monotonic() - began < 8


def test_trouble_with_the_address_is_no_answer_either() -> None:
    with pytest.raises(NameTrouble):
        asked({"example.net MX": [], "example.net A": SERVFAIL}, "example.net")


def test_the_library_is_loaded_with_the_first_question_only() -> None:
    """A host with a smarthost starts without it, and sooner."""
    code = (
        "import sys; from maildropd.daemon import compose; print('dns' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HOME, check=True, capture_output=True
    )

    assert done.stdout == b"False\n"
