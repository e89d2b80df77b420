# SPDX-License-Identifier: Apache-2.0
"""What we ask of a server's TLS, and what we show of ourselves.

A valid certificate, or one whose fingerprint is known, and version 1.2 or
later.  A wrong certificate is an alarm: neither side mends it by itself.
"""

import errno
import hashlib
import ssl
from collections.abc import Mapping, Sequence

from maildropd.config.relay import RelayConfig
from maildropd.host import credentials
from maildropd.host.credentials import SecretUnavailable
from maildropd.mail.errors import NotTrusted, RouteError, RouteMisconfigured
from maildropd.mail.reply import Reply
from maildropd.relay.wire import Wire

_FAILED = "4.7.5"  # RFC 3463: cryptographic failure
_OF_OURS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # no fault of a file

_NAMED = "host must be a name in it"
_TRUSTED = "tls_ca_file names whom to trust, tls_fingerprint the certificate itself"
_DATED = "its owner must renew it, unless the clock of this host is wrong"
_REMEDIES: Mapping[int, str] = {  # X509_V_ERR_*, see x509_vfy.h of OpenSSL
    9: _DATED,
    10: _DATED,
    18: _TRUSTED,
    19: _TRUSTED,
    20: _TRUSTED,
    21: _TRUSTED,
    62: _NAMED,
    64: _NAMED,
}


def context(config: RelayConfig) -> ssl.SSLContext:
    """Return a context that verifies, unless the administrator said otherwise."""
    file = config.tls_ca_file
    try:
        # All authorities of a system are 20 ms and 1 MB: only where they are asked.
        if config.tls_verify:
            made = ssl.create_default_context(cafile=str(file) if file else None)
        else:
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    except OSError as error:
        raise _unusable(f"tls_ca_file {file}", error) from error
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.tls_fingerprint or not config.tls_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if config.tls_certificate or config.tls_certificate_credential:
        _identify(made, config)
    return made


def encrypt(
    wire: Wire, made: ssl.SSLContext, host: str, pins: Sequence[str] = ()
) -> None:
    """Go on in TLS; EHLO said again replaces what was offered in clear.

    With fingerprints, the server must show one of those certificates.
    """
    if wire.unread:  # it would be read as if it had come through TLS
        why = "plaintext was sent after the reply to STARTTLS"
        raise wire.lost(why, _FAILED)
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
        remedy = _REMEDIES.get(error.verify_code, "")
        raise _refused(wire, error.verify_message, remedy) from error
    except (OSError, ValueError) as error:
        raise wire.lost(f"TLS failed: {error}", _FAILED) from error
    if pins:
        _compare(wire, wrapped.getpeercert(binary_form=True) or b"", pins)


def digits(pin: str) -> str:
    """Return the bare digits of a fingerprint, however it was written."""
    return pin.lower().removeprefix("sha256:").replace(":", "")


def _compare(wire: Wire, certificate: bytes, pins: Sequence[str]) -> None:
    found = hashlib.sha256(certificate).hexdigest()
    if found in map(digits, pins):
        return
    remedy = "if it was renewed, ask its owner, and put that into tls_fingerprint"
    raise _refused(wire, f"its fingerprint is sha256:{found}", remedy)


def _refused(wire: Wire, why: str, remedy: str) -> NotTrusted:
    text = f"certificate not accepted: {why}" + (f" ({remedy})" if remedy else "")
    reply = wire.lost(text, _FAILED).reply
    return NotTrusted(reply.text, reply)


def _identify(made: ssl.SSLContext, config: RelayConfig) -> None:
    """Show our own certificate to a server that asks for one."""
    what = f"tls_certificate_credential {config.tls_certificate_credential}"
    key = config.tls_key
    try:
        certificate = config.tls_certificate
        if certificate is None:
            certificate = credentials.path_of(config.tls_certificate_credential)
        else:
            what = f"tls_certificate {certificate}"
            credentials.refuse_open(key or certificate)
        # A password that is asked for at a terminal would stop the daemon.
        made.load_cert_chain(certificate, key, password=_no_password)
    except SecretUnavailable as error:
        raise _wrong(f"{what}: {error}") from error
    except (OSError, ValueError) as error:
        raise _unusable(what, error) from error


def _no_password() -> str:
    raise ValueError("the key wants a password (write it anew without)")


def _unusable(what: str, error: OSError | ValueError) -> RouteError:
    if isinstance(error, OSError):
        why = f"{what}: {error.strerror or error}"
        if error.errno in _OF_OURS:
            return RouteError(why, Reply(451, "4.3.0", why))
        return _wrong(why)
    return _wrong(f"{what}: {error}")


def _wrong(why: str) -> RouteMisconfigured:
    return RouteMisconfigured(why, Reply(451, _FAILED, why))
