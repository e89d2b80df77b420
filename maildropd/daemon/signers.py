# SPDX-License-Identifier: Apache-2.0
"""What signs mail on its way out, built; or a clear word why nothing can."""

from maildropd.config.errors import ConfigErrors, Mistake, Place
from maildropd.config.model import Config
from maildropd.host.clock import Clock
from maildropd.relay.identity.signing import Signer


def signer_of(config: Config, clock: Clock) -> Signer | None:
    """Return the signer of a configuration, if it has one; for all its relays.

    Raise ``ConfigErrors`` where a library is missing.
    """
    if not config.dkim:
        return None
    try:
        # Its library is not needed, and need not be there, without a section.
        from maildropd.relay.identity.dkim import DkimSigner  # noqa: PLC0415 - see above
    except ImportError as error:
        text = f"[dkim {config.dkim[0].name}]: needs python3-dkim ({error})"
        place = Place(file=config.source)
        raise ConfigErrors([Mistake(place=place, text=text)]) from error
    return DkimSigner(config.dkim, clock)
