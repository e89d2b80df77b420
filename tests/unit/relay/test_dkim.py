# SPDX-License-Identifier: Apache-2.0
"""What is signed here is verified elsewhere, and nothing is signed for others."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim
import pytest

from maildropd.config.dkim import DkimConfig
from maildropd.mail.errors import RouteMisconfigured
from maildropd.relay.identity.dkim import DkimSigner
from maildropd.relay.identity.signing import signature
from tests.fakes.clock import FakeClock
from tests.fakes.dkim_keys import ED25519, LOCKED, RSA, WEAK, keys, record, resolver

FROM = b"From: Ann <ann@example.org>\r\n"
MORE = b"To: bob@example.net\r\nSubject: a\r\n  folded one\r\nDate: today\r\n"
BODY = b"How do you  do? \r\n\r\n.\r\n\r\n\r\n"
PLAIN = FROM + MORE + b"\r\n" + BODY


def section(name: str = "example.org", key: str = RSA, **changes: Any) -> DkimConfig:
    return DkimConfig(name=name, **({"key_file": keys() / key} | changes))


def signed(
    message: bytes, *sections: DkimConfig, clock: FakeClock | None = None
) -> bytes:
    """Return the message as it goes out."""
    signer = DkimSigner(sections, clock or FakeClock())

    def content() -> Iterator[bytes]:
        for at in range(0, len(message), 7):
            yield message[at : at + 7]

    return signature(signer, content) + message


def verified(message: bytes, domain: str = "example.org", key: str = RSA) -> bool:
    known = resolver({f"default._domainkey.{domain}": record(key)})
    try:
        return bool(dkim.DKIM(message).verify(dnsfunc=known))
    except dkim.ValidationError:  # as it says for a body
        return False


def names(message: bytes) -> list[bytes]:
    """Return the signed fields."""
    field = message[: message.index(b"From:")].replace(b"\r\n", b"")
    [said] = [tag for tag in field.split(b";") if tag.strip().startswith(b"h=")]
    return said.replace(b" ", b"").removeprefix(b"h=").split(b":")


@pytest.mark.parametrize("key", [RSA, "rsa8.pem", ED25519])
def test_a_signature_is_verified_by_the_other_half_of_the_key(key: str) -> None:
    out = signed(PLAIN, section(key=key))

    assert verified(out, key=key)
    assert out.endswith(PLAIN)
    assert not verified(out.replace(b"How", b"Who"), key=key)
    assert not verified(out.replace(b"bob@", b"eve@"), key=key)


def test_what_is_stored_with_other_line_ends_is_signed_as_it_goes_out() -> None:
    for ends in (b"\n", b"\r"):
        stored = PLAIN.replace(b"\r\n", ends)
        out = signed(stored, section())
        assert verified(out.replace(stored, PLAIN))


def test_no_line_of_the_field_is_longer_than_smtp_allows() -> None:
    out = signed(PLAIN, section(key=RSA))

    field = out.removesuffix(PLAIN)
    assert field.endswith(b"\r\n")
    assert field.count(b"\r\n") == field.count(b"\n")
    assert max(map(len, field.split(b"\r\n"))) <= 78


def test_a_second_author_cannot_be_put_in_on_the_way() -> None:
    out = signed(PLAIN, section())

    assert names(out).count(b"from") == 2
    assert not verified(b"From: Eve <eve@example.org>\r\n" + out)


def test_a_field_that_was_not_there_may_be_put_in_and_one_that_was_not() -> None:
    out = signed(PLAIN, section())

    assert verified(b"Received: from here\r\n" + out)
    assert not verified(out.replace(b"Subject: a", b"Subject: b"))


def test_the_fields_that_are_signed_can_be_chosen() -> None:
    out = signed(PLAIN, section(headers=("From", "TO")))

    assert names(out) == [b"from", b"to", b"from"]
    assert verified(out.replace(b"Subject: a", b"Subject: b"))


def test_two_keys_sign_side_by_side() -> None:
    """RFC 8463 section 5: old verifiers know RSA only."""
    out = signed(PLAIN, section(), section("new", ED25519, domain="example.org"))

    first, second = (
        dkim.DKIM(out).verify(
            idx=at, dnsfunc=resolver({"default._domainkey.example.org": record(key)})
        )
        for at, key in enumerate((RSA, ED25519))
    )
    assert first
    assert second


@pytest.mark.parametrize(
    ("author", "domain"),
    [
        ("ann@example.org", "example.org"),
        ("Ann <ann@EXAMPLE.ORG>", "example.org"),
        ('"Ann, eve@example.com" <ann@example.org>', "example.org"),
        ("ann@lists.example.com", "example.com"),
        ("ann@a.lists.example.com", "example.com"),
        ("ann@own.example.com", "own.example.com"),
        ("ann@example.com, joe@lists.example.com", None),
        ("ann@example.org, joe@example.org", "example.org"),
        ("ann@lists.example.org", None),
        ("ann@badexample.org", None),
        ("ann@example.net", None),
        ("ann@org", None),
        ("ann", None),
        ("<>", None),
        ("", None),
        ("ann@ex\u00e4mple.org", "xn--exmple-cua.org"),
    ],
)
def test_the_domain_of_the_author_chooses(author: str, domain: str | None) -> None:
    sections = (
        section("example.com", subdomains=True),
        section("own.example.com"),
        section("example.org"),
        section("umlaut", domain="xn--exmple-cua.org"),
    )
    message = f"From: {author}\r\n".encode() + MORE + b"\r\n" + BODY

    field = signed(message, *sections).removesuffix(message)

    if domain is None:
        assert field == b""
    else:
        assert f" d={domain};".encode() in field.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "message",
    [
        FROM + FROM + b"\r\n",
        MORE + b"\r\n",
        b"",
        b"\r\n" + PLAIN,
        b" folded\r\n" + PLAIN,
        b"no field\r\n" + PLAIN,
    ],
)
def test_what_nobody_could_verify_is_not_signed(message: bytes) -> None:
    assert signed(message, section()) == message


def test_a_message_that_is_not_signed_is_not_read() -> None:
    def body() -> Iterator[bytes]:
        raise AssertionError("it was read")

    signer = DkimSigner([section("example.com")], FakeClock())

    assert signer.sign(FROM, body) == b""


def test_the_time_is_that_on_the_wall() -> None:
    clock = FakeClock()

    out = signed(PLAIN, section(), clock=clock)

    assert b" t=%d;" % clock.wall().timestamp() in out.replace(b"\r\n", b"")


def trouble(config: DkimConfig) -> str:
    with pytest.raises(RouteMisconfigured) as caught:
        signed(PLAIN, config)
    assert caught.value.reply.transient
    assert caught.value.reply.text == str(caught.value)
    return str(caught.value)


def test_a_key_that_is_gone_lets_mail_wait(tmp_path: Path) -> None:
    told = trouble(section(key_file=tmp_path / "gone.pem"))

    assert told == f"[dkim example.org]: {tmp_path}/gone.pem: No such file or directory"


@pytest.mark.parametrize(
    ("key", "why"), [(WEAK, "512 bits only"), (LOCKED, "is it encrypted?")]
)
def test_a_key_that_nobody_should_use_is_told(key: str, why: str) -> None:
    assert why in trouble(section(key=key))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"rubbish",
        b"YWJj",
        b"-----BEGIN PRIVATE KEY-----\nYWJj\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PRIVATE KEY-----\n???\n-----END PRIVATE KEY-----\n",
        b"\xff" * 100,
        b"x" * 100_000,
    ],
)
def test_what_is_no_key_is_told_and_not_shown(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(octets)

    told = trouble(section(key_file=path))

    assert "key.pem: is " in told
    assert "YWJj" not in told


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    shutil.copyfile(keys() / RSA, path)
    path.chmod(0o644)

    assert "others can read" in trouble(section(key_file=path))


def test_a_key_may_be_a_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    shutil.copyfile(keys() / RSA, tmp_path / "cred_dkim-example.org")

    assert verified(signed(PLAIN, DkimConfig(name="example.org")))


def test_a_missing_credential_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    assert "credential dkim-example.org: not among" in trouble(
        DkimConfig(name="example.org")
    )


def test_a_bare_key_of_ed25519_is_known(tmp_path: Path) -> None:
    """As the tool of the library writes it."""
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_bytes(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n")  # RFC 8463
    public = b"v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

    out = signed(PLAIN, section(key_file=path))

    known = resolver({"default._domainkey.example.org": public})
    assert dkim.DKIM(out).verify(dnsfunc=known)


def test_a_key_that_was_replaced_is_used_at_once(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    shutil.copyfile(keys() / RSA, path)
    path.chmod(0o600)
    signer = DkimSigner([section(key_file=path)], FakeClock())
    signature(signer, lambda: iter([PLAIN]))

    other = tmp_path / "other.pem"
    shutil.copyfile(keys() / ED25519, other)
    other.chmod(0o600)
    other.replace(path)

    assert b"ed25519" in signature(signer, lambda: iter([PLAIN]))


def test_keys_are_not_shown() -> None:
    signer = DkimSigner([section()], FakeClock())

    key = signer._sections[0].key.key()

    assert "modulus" not in repr(key)
    assert str(key.private["modulus"]) not in repr(key)
