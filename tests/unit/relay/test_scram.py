# SPDX-License-Identifier: Apache-2.0
"""SCRAM: nobody gets a proof who does not ask for it properly, and both give one."""

import hashlib
import threading
from collections.abc import Callable

import pytest

from maildropd.relay.identity.scram import (
    Binding,
    Keys,
    SaltedPassword,
    Scram,
    ScramTrouble,
    prepared,
)

# RFC 7677 section 3.
NONCE = "rOprNGfwEbeRWgbNEkqO"
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
THEIRS = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
CHALLENGE = f"r={NONCE}{THEIRS},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
FINAL = (
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
LAST = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def client(binding: Binding | None = None) -> Scram:
    return Scram("user", SaltedPassword("pencil"), binding or Binding(), NONCE)


def test_the_example_of_the_rfc_is_spoken_word_for_word() -> None:
    ours = client()

    assert ours.first() == FIRST
    assert ours.final(CHALLENGE) == FINAL
    assert not ours.verified
    ours.verify(LAST)
    assert ours.verified


@pytest.mark.parametrize(
    "last",
    [
        LAST.replace(b"6r", b"6s"),
        b"v=",
        b"v=?",
        b"v=" + LAST[2:-4],
        b"",
        b"e=",
        b"235 welcome",
        LAST[2:],
        b"\xff",
        LAST * 100,
    ],
)
def test_a_server_that_does_not_know_the_password_is_found_out(last: bytes) -> None:
    ours = client()
    ours.first()
    ours.final(CHALLENGE)

    with pytest.raises(ScramTrouble):
        ours.verify(last)

    assert not ours.verified


def test_a_signature_before_its_time_is_none() -> None:
    ours = client()
    ours.first()

    with pytest.raises(ScramTrouble, match="does not know"):
        ours.verify(b"v=")


def _challenge(
    nonce: str = NONCE + THEIRS, salt: str = "QSXC", count: str = "4096"
) -> bytes:
    return f"r={nonce},s={salt},i={count}".encode()


@pytest.mark.parametrize(
    ("challenge", "why"),
    [
        (_challenge(nonce=THEIRS), "not made of ours"),
        (_challenge(nonce=NONCE), "not made of ours"),
        (_challenge(nonce=NONCE[:-1]), "not made of ours"),
        (_challenge(salt="Q"), "salt"),
        (_challenge(salt="===="), "salt"),
        (_challenge(count="4095"), "not between"),
        (_challenge(count="1"), "not between"),
        (_challenge(count="1000000000"), "not between"),
        (_challenge(count="0"), "not SCRAM"),
        (_challenge(count="-4096"), "not SCRAM"),
        (_challenge(count="4_096"), "not SCRAM"),
        (_challenge(count="99999999999999999999"), "not SCRAM"),
        (b"m=must," + _challenge(), "not SCRAM"),
        (b"", "not SCRAM"),
        (b"e=unknown-user", "not SCRAM"),
        (_challenge() + b"\n", "not SCRAM"),
        (_challenge(nonce=NONCE + " with blanks"), "not SCRAM"),
        (b"\xff" + _challenge(), "not UTF-8"),
        (_challenge(salt="QSXC" * 1000), "more than"),
    ],
)
def test_a_challenge_that_nobody_should_answer_is_not(
    challenge: bytes, why: str
) -> None:
    ours = client()
    ours.first()

    with pytest.raises(ScramTrouble, match=why):
        ours.final(challenge)


def test_words_that_a_later_scram_may_add_are_borne() -> None:
    assert client().final(_challenge() + b",x=more").startswith(b"c=biws,")


def test_the_error_of_a_server_is_told_if_it_is_a_word() -> None:
    with pytest.raises(ScramTrouble, match=r"other-error$"):
        client().verify(b"e=other-error,p=pencil")


@pytest.mark.parametrize(
    ("binding", "first", "bound"),
    [
        (Binding(), b"n,,", b"c=biws,"),
        (Binding(flag="y"), b"y,,", b"c=eSws,"),
        (
            Binding(flag="p=tls-unique", octets=b"\0\1"),
            b"p=tls-unique,,",
            b"c=cD10bHMtdW5pcXVlLCwAAQ==,",
        ),
    ],
)
def test_the_binding_is_said_first_and_proven_last(
    binding: Binding, first: bytes, bound: bytes
) -> None:
    ours = client(binding)

    assert ours.first().startswith(first + b"n=user")
    assert ours.final(CHALLENGE).startswith(bound)


def test_no_two_conversations_have_the_same_nonce() -> None:
    salted = SaltedPassword("pencil")

    said = {Scram("user", salted, Binding()).first() for _ in range(20)}

    assert len(said) == 20


def test_a_name_with_signs_of_the_grammar_stays_one_name() -> None:
    ours = Scram("a=b,c", SaltedPassword("x"), Binding(), "n")

    assert ours.first() == b"n,,n=a=3Db=2Cc,r=n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        # RFC 4013 section 3.
        ("I\u00adX", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u00aa", "a"),
        ("\u2168", "IX"),
        # The blanks of other alphabets are one blank.
        ("a\u3000b", "a b"),
        ("\u0627\u06281", "\u0627\u06281"),  # forbidden: stays as it is
        ("\u0627\u0628", "\u0627\u0628"),
        ("\u0627a\u0628", "\u0627a\u0628"),
        ("bell\u0007", "bell\u0007"),
        ("\U0001f600\u00aa", "\U0001f600\u00aa"),  # younger than Unicode 3.2
        ("\u00ad", "\u00ad"),
        ("", ""),
    ],
)
def test_names_and_passwords_are_prepared(text: str, found: str) -> None:
    assert prepared(text) == found


class _Counting:
    """Stands for PBKDF2; counts, and waits for everybody."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, int]] = []

    def __call__(self, _name: str, _word: bytes, salt: bytes, count: int) -> bytes:
        self.calls.append((salt, count))
        return salt.ljust(32, b".")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> _Counting:
    counting = _Counting()
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counting)
    return counting


def _together(work: Callable[[], None], number: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)


def test_many_connections_count_once(counted: _Counting) -> None:
    """A million iterations take a second of a processor."""
    salted = SaltedPassword("pencil")
    found: list[Keys] = []

    _together(lambda: found.append(salted.keys(b"salt", 4096)), 10)

    assert counted.calls == [(b"salt", 4096)]
    assert len(set(found)) == 1


def test_another_salt_or_count_is_another_key(counted: _Counting) -> None:
    salted = SaltedPassword("pencil")

    salted.keys(b"one", 4096)
    salted.keys(b"two", 4096)
    salted.keys(b"one", 5000)

    assert len(counted.calls) == 3


def test_a_server_with_ever_new_salts_fills_no_memory(counted: _Counting) -> None:
    salted = SaltedPassword("pencil")

    for number in range(1000):
        salted.keys(b"%d" % number, 4096)

    assert len(salted._found) < 10


def test_keys_are_not_shown() -> None:
    assert "'" not in repr(Keys(client=b"'secret'", server=b"'secret'"))
