# SPDX-License-Identifier: Apache-2.0
"""What ties a login to the TLS it goes through (RFC 5929).

Who sits in between with a certificate of his own cannot pass the login on.
"""

import hashlib
import ssl
from collections.abc import Mapping

from maildropd.relay.identity.der import Malformed, children, element
from maildropd.relay.identity.scram import Binding

# The hash of a certificate's own signature; MD5 and SHA-1 count as SHA-256
# (RFC 5929 section 4.1).  Others, as Ed25519, have none that is agreed on.
_HASHES: Mapping[str, str] = {
    "2a864886f70d010104": "sha256",  # md5WithRSAEncryption
    "2a864886f70d010105": "sha256",  # sha1WithRSAEncryption
    "2a864886f70d01010b": "sha256",
    "2a864886f70d01010c": "sha384",
    "2a864886f70d01010d": "sha512",
    "2a8648ce3d0401": "sha256",  # ecdsa-with-SHA1
    "2a8648ce3d040302": "sha256",
    "2a8648ce3d040303": "sha384",
    "2a8648ce3d040304": "sha512",
}


def binding(sock: object) -> Binding | None:
    """Return how to bind to a connection; None where there is no way.

    TLS 1.3 has no ``tls-unique``, and Python does not give out what takes its
    place (RFC 9266): there it is the server's certificate.
    """
    if not isinstance(sock, ssl.SSLSocket):
        return None
    if sock.version() == "TLSv1.2":
        unique = sock.get_channel_binding("tls-unique")
        return Binding(flag="p=tls-unique", octets=unique) if unique else None
    certificate = sock.getpeercert(binary_form=True)
    octets = end_point(certificate) if certificate else b""
    return Binding(flag="p=tls-server-end-point", octets=octets) if octets else None


def end_point(certificate: bytes) -> bytes:
    """Return the hash of a certificate that both ends make; empty if there is none."""
    try:
        _, algorithm, _ = children(element(certificate))
        name = _HASHES.get(children(algorithm)[0].octets.hex())
    except (Malformed, ValueError, IndexError):
        return b""
    return hashlib.new(name, certificate).digest() if name else b""
