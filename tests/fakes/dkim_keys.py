# SPDX-License-Identifier: Apache-2.0
"""Keys for DKIM, made by openssl(1), and the resolver that knows their other half.

Made once per machine and user, like the certificates beside.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from zlib import crc32

RSA = "rsa.pem"
ED25519 = "ed25519.pem"
WEAK = "weak.pem"
LOCKED = "locked.pem"

_RECIPES: Mapping[str, tuple[str, ...]] = {
    RSA: ("genrsa", "-traditional", "-out", RSA, "2048"),
    "rsa8.pem": ("genrsa", "-out", "rsa8.pem", "2048"),
    WEAK: ("genrsa", "-traditional", "-out", WEAK, "512"),
    LOCKED: ("genrsa", "-aes256", "-passout", "pass:word", "-out", LOCKED, "2048"),
    ED25519: ("genpkey", "-algorithm", "ed25519", "-out", ED25519),
}

Resolver = Callable[..., bytes]
"""Return the text at a name in DNS, as the verifier asks."""


def keys() -> Path:
    """Return a folder with a key of each kind; only we can read them."""
    recipe = crc32(Path(__file__).read_bytes())
    name = f"maildropd-test-dkim-{os.getuid()}-{recipe:08x}"
    final = Path(tempfile.gettempdir()) / name
    if not final.exists():
        made = Path(tempfile.mkdtemp(prefix="maildropd-dkim-"))
        for words in _RECIPES.values():
            _openssl(made, *words)
        for key in made.iterdir():
            key.chmod(0o600)
        try:
            made.rename(final)
        except OSError:  # somebody else was quicker: theirs are as good
            return made
    return final


def record(key: str) -> bytes:
    """Return what DNS has of a key."""
    der = _openssl(keys(), "pkey", "-in", key, "-pubout", "-outform", "DER")
    # RFC 8463 has the bare key, RFC 6376 its whole description.
    kind, octets = ("ed25519", der[-32:]) if key == ED25519 else ("rsa", der)
    text = subprocess.run(
        ["openssl", "base64", "-A"], input=octets, check=True, capture_output=True
    )
    return b"v=DKIM1; k=%b; p=%b" % (kind.encode(), text.stdout)


def resolver(records: Mapping[str, bytes]) -> Resolver:
    """Return one that knows these names, and no other."""

    def resolve(name: bytes, **_options: object) -> bytes:
        return records.get(name.decode().removesuffix("."), b"")

    return resolve


def _openssl(folder: Path, *words: str) -> bytes:
    done = subprocess.run(
        ["openssl", *words], cwd=folder, check=True, capture_output=True
    )
    return done.stdout
