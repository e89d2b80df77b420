# SPDX-License-Identifier: Apache-2.0
"""It is said in time that our own certificate ends."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from maildropd.config.relay import RelayConfig
from maildropd.mail.identity_events import CertificateEnding
from maildropd.relay.identity.expiry import OwnCertificate, not_after
from tests.fakes.certificates import certificates
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal

ENDS = datetime(2049, 12, 31, tzinfo=UTC)
PEM = certificates().folder / "good.pem"
DAY = timedelta(days=1)


def looked_at(clock: FakeClock, path: Path = PEM) -> tuple[OwnCertificate, FakeJournal]:
    journal = FakeJournal()
    config = RelayConfig(name="a", host="mx.example", tls_certificate=path)
    return OwnCertificate(config, clock, journal), journal


def test_the_end_is_read_from_the_first_certificate() -> None:
    """Not the key that stands before it, nor the authority that follows."""
    text = PEM.read_text() + certificates().ca.read_text()

    assert not_after(text) == ENDS


def test_a_year_after_2049_is_understood(tmp_path: Path) -> None:
    """RFC 5280 4.1.2.5: from 2050 on it is written in another form."""
    out = ("-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "made.pem"))
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    words = ("req", "-x509", "-days", "36500", "-subj", "/CN=x", *kind, *out)
    subprocess.run(["openssl", *words], check=True, capture_output=True)

    found = not_after((tmp_path / "made.pem").read_text())

    assert found is not None
    assert found.year > 2100


def test_two_weeks_before_the_end_it_is_said_once_a_day() -> None:
    clock = FakeClock()
    own, journal = looked_at(clock)
    own.look()
    clock.jump(ENDS - clock.wall() - 14 * DAY - timedelta(hours=1))
    clock.forward(DAY / 2)
    own.look()
    assert journal.events == []

    clock.forward(DAY)
    for _ in range(5):
        own.look()
        clock.forward(DAY / 2)

    assert len(journal.events) == 3
    event = journal.events[0]
    assert isinstance(event, CertificateEnding)
    assert event.ends == ENDS
    assert event.text().startswith("relay mx.example:25: our certificate /")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n\u00e4\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_certificate_is_left_to_the_connection(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.pem"
    path.write_text(text)
    own, journal = looked_at(FakeClock(), path)

    own.look()

    assert journal.events == []


def test_one_that_is_not_there_is_left_to_the_connection(tmp_path: Path) -> None:
    own, journal = looked_at(FakeClock(), tmp_path / "gone.pem")

    own.look()

    assert journal.events == []


def test_a_relay_that_is_shown_none_has_none_to_end() -> None:
    journal = FakeJournal()

    OwnCertificate(RelayConfig(name="a"), FakeClock(), journal).look()

    assert journal.events == []
