# SPDX-License-Identifier: Apache-2.0
"""A login is tied to the certificate that both ends see."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from maildropd.relay.identity.binding import binding, end_point

ROOMS = ("sha1", "sha256", "sha384", "sha512")


def certificate(folder: Path, *words: str) -> bytes:
    """Return one as openssl(1) makes it."""
    out = ("-keyout", "key.pem", "-out", "made.der", "-outform", "DER")
    usual = ("req", "-x509", "-nodes", "-subj", "/CN=mail.example")
    subprocess.run(
        ["openssl", *usual, *out, *words], cwd=folder, check=True, capture_output=True
    )
    return (folder / "made.der").read_bytes()


@pytest.mark.parametrize("hashed", ROOMS)
@pytest.mark.parametrize("kind", ["rsa:2048", "ec"])
def test_the_hash_is_the_one_of_the_certificates_own_signature(
    tmp_path: Path, kind: str, hashed: str
) -> None:
    """RFC 5929 section 4.1; SHA-1 counts as SHA-256."""
    curve = ("-pkeyopt", "ec_paramgen_curve:P-256") if kind == "ec" else ()
    made = certificate(tmp_path, "-newkey", kind, *curve, f"-{hashed}")

    right = "sha256" if hashed == "sha1" else hashed
    assert end_point(made) == hashlib.new(right, made).digest()


def test_a_signature_without_a_hash_of_its_own_binds_nothing(tmp_path: Path) -> None:
    made = certificate(tmp_path, "-newkey", "ed25519")

    assert end_point(made) == b""


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x84\xff\xff\xff\xff",
        b"\x30\x03\x30\x00\x30",
        b"x" * 99,
    ],
)
def test_what_is_no_certificate_binds_nothing(rubbish: bytes) -> None:
    assert end_point(rubbish) == b""


def test_a_connection_in_clear_has_nothing_to_bind_to() -> None:
    assert binding(object()) is None
