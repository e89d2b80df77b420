# SPDX-License-Identifier: Apache-2.0
"""Whatever lies in the configuration or queue of an old system: read, or said."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maildropd.config.layout import Layout
from maildropd.config.lines import parse
from maildropd.config.read import read
from maildropd.foreign import (
    dma,
    dma_queue,
    msmtp,
    msmtp_queue,
    nullmailer,
    nullmailer_queue,
    postfix,
    postfix_queue,
    ssmtp,
)
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.imported import Imported
from maildropd.foreign.queued import Queued
from tests.fuzz.test_any_values import same_each_time
from tests.integration.old_systems import records

SECRET = "hunter2"
VALUES = st.one_of(
    st.sampled_from(
        [
            *("", "yes", "no", "on", "off", "YES", "25", "587", "0", "99999999999"),
            *("mx.example.net", "[mx.example.net]:587", "joe@example.org", "a b"),
            *("*@example.org", "%U@%H", "/etc/none", "~/x", "$myhostname", "${x}"),
            *('"', "'", "\\", "# x", "x # y", "x ; y", "AB:" * 31 + "AB", "encrypt"),
            *("starttls", "tls", "--", "smtp", "qmqp", "hash:/none", "static:a:b"),
        ]
    ),
    st.text(max_size=20),
)
WORDS: Mapping[Callable[[Path], Imported], str] = {
    dma.imported: "SMARTHOST PORT ALIASES AUTHPATH FINGERPRINT CERTFILE MAILNAME"
    " MASQUERADE SECURETRANSFER STARTTLS OPPORTUNISTIC_TLS INSECURE NULLCLIENT x",
    msmtp.imported: "defaults account host port socket timeout protocol domain auth"
    " user tls tls_starttls tls_trust_file tls_fingerprint tls_cert_file eval"
    " tls_key_file tls_certcheck from aliases auto_from maildomain syslog proxy_host x",
    postfix.imported: "relayhost myhostname myorigin mydestination inet_interfaces"
    " smtp_tls_security_level smtp_tls_wrappermode smtp_sasl_auth_enable"
    " smtp_sasl_password_maps alias_maps message_size_limit delay_warning_time"
    " smtp_tls_fingerprint_cert_match masquerade_domains smtp_tls_cert_file x",
    ssmtp.imported: "root mailhub hostname rewriteDomain FromLineOverride UseTLS"
    " UseSTARTTLS TLSCert UseTLSCert AuthUser AuthMethod RemotePort Debug x",
}
SEPARATORS = st.sampled_from([" ", "=", " = ", "\t", ""])
FOLDER = "remotes adminaddr allmailfrom defaultdomain defaulthost doublebounceto"
CONTROL = f"{FOLDER} helohost me pausetime maxpause queuelifetime idhost x".split()


@contextmanager
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def lines(words: str) -> st.SearchStrategy[str]:
    """Make configurations of known words and odd values."""
    one = st.builds(
        lambda name, between, value: f"{name}{between}{value}",
        st.sampled_from(words.split()),
        SEPARATORS,
        VALUES,
    )
    return st.lists(st.one_of(one, VALUES), max_size=8).map("\n".join)


def check(imported: Callable[[Path], Imported], path: Path) -> None:
    """Read; what comes of it is a configuration in form, or it is said why not."""
    found = _read(imported, path)
    if isinstance(found, str):
        assert found.startswith(str(path.parent))
        assert SECRET not in found
        return
    said = list(parse(Path("ours"), found.config.encode()))
    assert all(hasattr(line, "section") for line in said), said
    shown = found.config + "".join(map(str, found.remarks))
    assert SECRET not in shown


def _read(imported: Callable[[Path], Imported], path: Path) -> Imported | str:
    try:
        return imported(path)
    except Unreadable as error:
        return str(error)


@pytest.mark.parametrize("imported", WORDS)
def test_a_configuration_is_read_or_its_line_is_named(
    imported: Callable[[Path], Imported],
) -> None:
    @settings(same_each_time, max_examples=1000)
    @given(lines(WORDS[imported]))
    def search(text: str) -> None:
        with place() as folder:
            (folder / "theirs").write_bytes(text.encode("utf-8", "surrogatepass"))
            check(imported, folder / "theirs")

    search()


@settings(same_each_time, max_examples=500)
@given(st.dictionaries(st.sampled_from(CONTROL), st.lists(VALUES, max_size=4)))
def test_a_folder_of_nullmailer_is_read_or_its_file_is_named(
    said: dict[str, list[str]],
) -> None:
    with place() as folder:
        theirs = folder / "nullmailer"
        theirs.mkdir()
        for name, values in said.items():
            text = " ".join(values).encode("utf-8", "surrogatepass")
            (theirs / name).write_bytes(text)
        check(nullmailer.imported, theirs)


@settings(same_each_time, max_examples=300)
@given(st.text(min_size=1, max_size=20), st.sampled_from(["pass=", "pass ", "pas="]))
def test_a_password_is_shown_nowhere(odd: str, key: str) -> None:
    """Whatever stands before and behind it, and however its key is written."""
    secret = SECRET + odd
    with place() as folder:
        remotes = folder / "nullmailer" / "remotes"
        remotes.parent.mkdir()
        line = f"mx.example.net smtp user=joe {key}{secret}\n"
        remotes.write_bytes(line.encode("utf-8", "surrogatepass"))
        check(nullmailer.imported, remotes.parent)
        rc = folder / "msmtprc"
        text = f"account a\nhost mx.example.net\nauth on\nuser j\npassword {secret}\n"
        rc.write_bytes(text.encode("utf-8", "surrogatepass"))
        check(msmtp.imported, rc)


ENVELOPES = st.sampled_from(
    [
        *(b"", b"\n", b"\n\n", b"a@b.example\n", b"c@d.example\n", b"a b\n", b"<>\n"),
        *(b"ID: 1\n", b"Sender: a@b.example\n", b"Recipient: c@d.example\n", b"ID\n"),
        *(b"-f a@b.example ", b"-- c@d.example\n", b"-t\n", b"To: c@d.example\n"),
        *(records((b"S", b"a@b.example")), records((b"R", b"c@d.example"))),
        *(records((b"M", b""), (b"N", b"x: y")), records((b"X", b""), (b"E", b""))),
        *(records((b"p", b"9")), b"\xff\xff\xff\xff\x7f"),
        *(b"Bcc: e@f.example\n", b"Subject: x\n", b"\xff\x00", b"\r\n"),
    ]
)
OCTETS = st.lists(st.one_of(ENVELOPES, st.binary(max_size=10)), max_size=8)
Read = Callable[[Path], Iterator[Queued]]
QUEUES: Sequence[tuple[Read, tuple[str, ...]]] = (
    (nullmailer_queue.queued, ("1.1", "1.2")),
    (dma_queue.queued, ("Q1.a", "M1.a", "Q2.a", "M3.a")),
    (msmtp_queue.queued, ("1.mail", "1.msmtp", "2.mail", "3.msmtp")),
    (postfix_queue.queued, ("active/1", "hold/2", "maildrop/3")),
)


@pytest.mark.parametrize(("read_", "names"), QUEUES)
def test_every_file_of_a_queue_is_told_of_once(
    read_: Read, names: tuple[str, ...]
) -> None:
    @settings(same_each_time, max_examples=500)
    @given(st.dictionaries(st.sampled_from(names), OCTETS.map(b"".join)))
    def search(files: dict[str, bytes]) -> None:
        with place() as folder:
            for name, octets in files.items():
                path = folder / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(octets)
                path.chmod(0o700)
            (folder / "active").mkdir(exist_ok=True)
            found = list(read_(folder))
        told = [p for mail in found for p in (mail.path, *mail.also)]
        assert sorted(told) == sorted(folder / name for name in files)
        for mail in found:
            assert mail.content or mail.state == "unreadable"

    search()


def test_what_is_read_of_a_good_configuration_is_one_of_ours() -> None:
    """So that the searches above cannot be content with nothing."""
    with place() as folder:
        rc = folder / "msmtprc"
        rc.write_text("account default\nhost mx.example.net\ntls on\n")
        (folder / "maildropd.conf").write_text(msmtp.imported(rc).config)
        assert read(Layout.of_path(folder)).relay.host == "mx.example.net"
