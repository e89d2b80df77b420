# SPDX-License-Identifier: Apache-2.0
"""What we ask of a server's TLS: a valid certificate, and version 1.2 or later."""

import ssl

from maildropd.config.model import RelayConfig
from maildropd.mail.errors import RouteMisconfigured
from maildropd.mail.reply import Reply


def context(config: RelayConfig) -> ssl.SSLContext:
    """Return a context that verifies, unless the administrator said otherwise."""
    file = config.tls_ca_file
    try:
        made = ssl.create_default_context(cafile=str(file) if file else None)
    except OSError as error:
        why = f"tls_ca_file {file}: {error.strerror or error}"
        raise RouteMisconfigured(why, Reply(451, "4.7.5", why)) from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.tls_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made
