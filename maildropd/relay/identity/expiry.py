# SPDX-License-Identifier: Apache-2.0
"""The certificate that we show ends one day, and somebody should know before."""

import re
import ssl
import threading
from datetime import datetime, timedelta
from pathlib import Path

from maildropd.config.relay import RelayConfig
from maildropd.host import credentials
from maildropd.host.clock import Clock
from maildropd.host.credentials import SecretUnavailable
from maildropd.mail.event import Journal
from maildropd.mail.identity_events import CertificateEnding
from maildropd.relay.identity.der import Malformed, children, element

_BEFORE = timedelta(days=14)
_EACH = timedelta(days=1)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_LONGEST = 1 << 20
_VERSION, _UTC_TIME = 0xA0, 0x17


class OwnCertificate:
    """Looks at it once a day, when there is something to do for its relay."""

    def __init__(self, config: RelayConfig, clock: Clock, journal: Journal) -> None:
        """Take what it needs; a relay that is shown none is looked after, too."""
        self._config = config
        self._clock = clock
        self._journal = journal
        self._lock = threading.Lock()
        self._next = timedelta(0)

    def look(self) -> None:
        """Tell that it ends soon; never raise: the connection will tell the rest."""
        config = self._config
        if not (config.tls_certificate or config.tls_certificate_credential):
            return
        with self._lock:
            now = self._clock.monotonic()
            if now < self._next:
                return
            self._next = now + _EACH
        try:
            path = config.tls_certificate or credentials.path_of(
                config.tls_certificate_credential
            )
            ends = not_after(_start(path))
        except (OSError, SecretUnavailable):
            return
        if ends and ends - self._clock.wall() < _BEFORE:
            event = CertificateEnding(
                relay=config.destination, certificate=str(path), ends=ends
            )
            self._journal.emit(event)


def not_after(pem: str) -> datetime | None:
    """Return when the first certificate in a text ends, if there is one."""
    found = _PEM.search(pem)
    if found is None:
        return None
    try:
        body, *_ = children(element(ssl.PEM_cert_to_DER_cert(found[0])))
        parts = [each for each in children(body) if each.tag != _VERSION]
        _, last = children(parts[3])  # after serial number, algorithm and issuer
        century = "20" if last.tag == _UTC_TIME else ""  # none of before is in use
        text = century + last.octets.decode("ascii")
        return datetime.strptime(text, "%Y%m%d%H%M%S%z")
    except (Malformed, ValueError, IndexError):
        return None


def _start(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_LONGEST).decode("ascii", "replace")
