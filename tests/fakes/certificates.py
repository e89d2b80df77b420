# SPDX-License-Identifier: Apache-2.0
"""Certificates for tests, made by openssl(1): one good one, and the bad ones.

Made once per machine and user: a folder that was finished is used again.
"""

import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1"
_CA = """
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = leaf
[leaf]
authorityKeyIdentifier = keyid
[any]
commonName = supplied
"""
_PAST = ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z")
_NOW = ("-startdate", "20200101000000Z", "-enddate", "20491231000000Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """A folder with ca.pem and, for each kind, KIND.pem with key and certificate."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The file that a client is to trust."""
        return self.folder / "ca.pem"

    def server(self, kind: str = "good") -> ssl.SSLContext:
        """Return the context of a server: good, expired, wrong-name, self-signed."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{kind}.pem")
        return context


def certificates() -> Certificates:
    """Return the certificates, made now or before."""
    recipe = crc32(Path(__file__).read_bytes())
    name = f"maildropd-test-certificates-{os.getuid()}-{recipe:08x}"
    final = Path(tempfile.gettempdir()) / name
    if not (final / "ca.pem").exists():
        made = Path(tempfile.mkdtemp(prefix="maildropd-certificates-"))
        _make(made)
        try:
            made.rename(final)
        except OSError:  # somebody else was quicker: theirs are as good
            return Certificates(folder=made)
    return Certificates(folder=final)


def _make(folder: Path) -> None:
    (folder / "ca.cnf").write_text(_CA)
    (folder / "index.txt").touch()
    (folder / "index.txt.attr").write_text("unique_subject = no\n")
    # Python 3.13 verifies by the letter of RFC 5280: a CA says what it may do.
    may = ("-addext", "keyUsage=critical,keyCertSign")
    _self_signed(folder, "ca", "basicConstraints=critical,CA:TRUE", *may)
    _self_signed(folder, "self-signed", _NAMES)
    _signed(folder, "good", _NAMES, _NOW)
    _signed(folder, "expired", _NAMES, _PAST)
    _signed(folder, "wrong-name", "subjectAltName=DNS:elsewhere.example", _NOW)


def _request(folder: Path, kind: str, extension: str, *more: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    subject = ("-subj", f"/CN=maildropd test {kind}", "-addext", extension)
    _openssl(folder, "req", "-new", *key, "-keyout", f"{kind}.key", *subject, *more)


def _self_signed(folder: Path, kind: str, extension: str, *more: str) -> None:
    signed = ("-x509", "-days", "3650", "-out", f"{kind}.crt")
    _request(folder, kind, extension, *signed, *more)
    _join(folder, kind)


def _signed(folder: Path, kind: str, extension: str, dates: tuple[str, ...]) -> None:
    _request(folder, kind, extension, "-out", f"{kind}.csr")
    ours = ("-config", "ca.cnf", "-cert", "ca.crt", "-keyfile", "ca.key")
    files = ("-in", f"{kind}.csr", "-out", f"{kind}.crt")
    _openssl(folder, "ca", "-batch", "-notext", *ours, *files, *dates)
    _join(folder, kind)


def _join(folder: Path, kind: str) -> None:
    key = (folder / f"{kind}.key").read_text() if kind != "ca" else ""
    (folder / f"{kind}.pem").write_text(key + (folder / f"{kind}.crt").read_text())


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
