# SPDX-License-Identifier: Apache-2.0
"""What we ask of a server's TLS: a valid certificate, and version 1.2 or later."""

import errno
import ssl

from maildropd.config.relay import RelayConfig
from maildropd.mail.errors import RouteError, RouteMisconfigured
from maildropd.mail.reply import Reply
from maildropd.relay.wire import Wire

_TLS_FAILED = "4.7.5"  # RFC 3463: cryptographic failure


def context(config: RelayConfig) -> ssl.SSLContext:
    """Return a context that verifies, unless the administrator said otherwise."""
    file = config.tls_ca_file
    try:
        made = ssl.create_default_context(cafile=str(file) if file else None)
    except OSError as error:
        why = f"tls_ca_file {file}: {error.strerror or error}"
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):  # not its fault
            raise RouteError(why, Reply(451, "4.3.0", why)) from error
        raise RouteMisconfigured(why, Reply(451, _TLS_FAILED, why)) from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.tls_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def encrypt(wire: Wire, made: ssl.SSLContext, host: str) -> None:
    """Go on in TLS; EHLO said again replaces what was offered in clear."""
    if wire.unread:  # it would be read as if it had come through TLS
        why = "plaintext was sent after the reply to STARTTLS"
        raise wire.lost(why, _TLS_FAILED)
    wire.alive(wire.limit)
    sock = wire.connected()
    try:
        sock.getpeername()  # wrap_socket leaks a socket that was reset before
        wire.sock = wrapped = made.wrap_socket(
            sock, server_hostname=host, do_handshake_on_connect=False
        )
        wrapped.do_handshake()
    except TimeoutError as error:
        raise wire.timed_out() from error
    except ssl.SSLCertVerificationError as error:
        why = f"certificate not accepted: {error.verify_message}"
        raise wire.lost(why, _TLS_FAILED) from error
    except (OSError, ValueError) as error:
        raise wire.lost(f"TLS failed: {error}", _TLS_FAILED) from error
