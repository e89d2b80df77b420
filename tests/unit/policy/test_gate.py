# SPDX-License-Identifier: Apache-2.0
"""Who may send as whom."""

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.model import Otherwise, SubmitterConfig
from maildropd.mail.address import parse_list
from maildropd.mail.envelope import Submitter
from maildropd.policy.senders import SenderRefused
from tests.fakes.policies import (
    ALICE,
    BOB,
    DAEMON,
    DOMAIN,
    GATEWAY,
    SSSD,
    Policies,
    by,
    draft,
    values,
)

FROM_BOB = b"From: Bob <bob@host.example>\nSubject: s\n\n"
HOUR = timedelta(hours=1)


# --- who may send as whom ------------------------------------------------------


def test_who_sends_as_himself_changes_nothing_of_it(tmp_path: Path) -> None:
    header = b"From: alice@host.example\nDate: x\nMessage-ID: <y>\nReceived: z\n\n"

    passed = Policies(tmp_path).gate().admit(draft(header), by(ALICE))

    assert passed.header == header
    assert passed.reverse_path == "alice@host.example"


@pytest.mark.parametrize(
    "address",
    ["alice", "alice@host.example", "alice+x@host.example", "alice@localhost"],
)
def test_own_names_are_ones_own(tmp_path: Path, address: str) -> None:
    gate = Policies(tmp_path).gate(otherwise=Otherwise.REFUSE)

    gate.check_sender(address, by(ALICE))


@pytest.mark.parametrize(
    "address",
    ["bob", "bob@host.example", "alice@far.example", "root", "alice.x", "xalice"],
)
def test_other_names_are_refused_where_that_is_said(
    tmp_path: Path, address: str
) -> None:
    gate = Policies(tmp_path).gate(otherwise=Otherwise.REFUSE)

    with pytest.raises(SenderRefused, match="alice may not send as"):
        gate.check_sender(address, by(ALICE))
    with pytest.raises(SenderRefused):
        gate.admit(draft(b"", address), by(ALICE))


def test_alice_who_says_she_is_bob_is_sent_as_alice(tmp_path: Path) -> None:
    passed = Policies(tmp_path).gate().admit(draft(FROM_BOB, "bob"), by(ALICE))

    assert passed.reverse_path == "alice@host.example"
    assert values(passed, "from") == [b"Bob <alice@host.example>"]
    assert values(passed, "x-original-from") == [b"Bob <bob@host.example>"]
    assert values(passed, "reply-to") == [b"Bob <bob@host.example>"]


@pytest.mark.parametrize(
    "header",
    [
        b"From: alice@host.example\nFrom: bob@host.example\n\n",
        b"From: alice@host.example, bob@host.example\n\n",
        b"From: alice@host.example\nSender: bob@host.example\n\n",
        b"from : bob@host.example\n\n",
        b"From:\n bob@host.example\n\n",
        b'From: "bob@host.example" <bob@host.example>\n\n',
        b"From: bob@host.example (alice@host.example)\n\n",
        b"From: bob@host.example, alice <alice@host.example>\n\n",
        b"From: <@alice:bob@host.example>\n\n",
        b"From: bob@host.example \xff <broken\n\n",
        b"From: Bob: bob@host.example;\n\n",
        b"Subject: x\rFrom: bob@host.example\n\n",
        b'From: "a" <"bob"@host.example>\n\n',
        b"From: bob\n\n",
        b'From: alice+ <bob@host.example> "\n\n',
        b"From: alice+ <bob@host.example>, x <@host.example\n\n",
        b"From: alice@host.example" + b" " * 200 + b'<bob@host.example> "\n\n',
        "From: alice@host.example\u2028\nSender: bob@host.example\n\n".encode(),
    ],
)
def test_no_spelling_of_bob_gets_past(tmp_path: Path, header: bytes) -> None:
    gate = Policies(tmp_path).gate()
    refusing = Policies(tmp_path).gate(otherwise=Otherwise.REFUSE)

    passed = gate.admit(draft(header), by(ALICE))

    for name in ("from", "sender"):
        for value in values(passed, name):
            assert b"bob@" not in value
    with pytest.raises(SenderRefused):
        refusing.admit(draft(header), by(ALICE))


def test_a_line_that_is_no_field_ends_the_header_for_everybody(tmp_path: Path) -> None:
    """Else the reader might find a From in what was text to us."""
    passed = Policies(tmp_path).gate().admit(draft(b"Subject: x\n"), by(ALICE))

    assert passed.header.endswith(b"Subject: x\n\n")


@pytest.mark.parametrize("uid", [0, DAEMON])
def test_root_and_the_daemon_may_use_any_name(tmp_path: Path, uid: int) -> None:
    passed = Policies(tmp_path).gate().admit(draft(FROM_BOB, "x@far.example"), by(uid))

    assert passed.reverse_path == "x@far.example"
    assert values(passed, "from") == [b"Bob <bob@host.example>"]


def test_a_root_that_is_only_surmised_may_not(tmp_path: Path) -> None:
    gate = Policies(tmp_path).gate(otherwise=Otherwise.REFUSE)

    with pytest.raises(SenderRefused):
        gate.check_sender("x@far.example", by(0, surmised=True))


@pytest.mark.parametrize("uid", [None, 4242])
def test_who_is_unknown_may_not(tmp_path: Path, uid: int | None) -> None:
    gate = Policies(tmp_path).gate(otherwise=Otherwise.REFUSE)

    with pytest.raises(SenderRefused):
        gate.check_sender("root@host.example", by(uid))


def test_who_is_trusted_may_use_any_name(tmp_path: Path) -> None:
    gate = Policies(tmp_path).gate(trusted=("alice",), otherwise=Otherwise.REFUSE)

    gate.check_sender("x@far.example", by(ALICE))


def test_with_the_check_off_everybody_may(tmp_path: Path) -> None:
    gate = Policies(tmp_path).gate(check_senders=False)

    assert gate.admit(draft(FROM_BOB), by(ALICE)).header.startswith(b"Received")
    assert values(gate.admit(draft(FROM_BOB), by(ALICE)), "x-original-from") == []


def test_a_null_reverse_path_is_everybodys(tmp_path: Path) -> None:
    passed = Policies(tmp_path).gate().admit(draft(b"", None), by(ALICE))

    assert passed.reverse_path is None


@pytest.mark.parametrize(
    ("pattern", "address", "fits"),
    [
        ("*", "any@far.example", True),
        ("news@far.example", "NEWS@Far.example", True),
        ("*@far.example", "any@far.example", True),
        ("@far.example", "any@far.example", True),
        ("*@far.example", "any@sub.far.example", False),
        ("n?ws@far.example", "news@far.example", False),
        ("[n]ews@far.example", "news@far.example", False),
        ("news@far.example", "news@far.example.evil", False),
    ],
)
def test_a_section_grants_names(
    tmp_path: Path, pattern: str, address: str, *, fits: bool
) -> None:
    section = SubmitterConfig(name="s", user=("alice",), senders=(pattern,))
    gate = Policies(tmp_path, section).gate(otherwise=Otherwise.REFUSE)

    if fits:
        gate.check_sender(address, by(ALICE))
        with pytest.raises(SenderRefused):
            gate.check_sender(address, by(BOB))
    else:
        with pytest.raises(SenderRefused, match=r"\[submitter s\]"):
            gate.check_sender(address, by(ALICE))


def test_what_nobody_can_read_is_granted_only_with_all_names(tmp_path: Path) -> None:
    letter = draft(b"From: <bob@host.example> x@far.example\n\n")

    for senders, passes in (("*@far.example", False), ("*", True)):
        section = SubmitterConfig(name="s", user=("alice",), senders=(senders,))
        gate = Policies(tmp_path, section).gate(otherwise=Otherwise.REFUSE)
        with nullcontext() if passes else pytest.raises(SenderRefused):
            gate.admit(letter, by(ALICE))


@pytest.mark.parametrize(
    ("section", "fits"),
    [
        (SubmitterConfig(name="s", uid=("1000",)), True),
        (SubmitterConfig(name="s", uid=("1001",)), False),
        (SubmitterConfig(name="s", user=("bob", "alice")), True),
        (SubmitterConfig(name="s", group=("staff",)), True),
        (SubmitterConfig(name="s", group=("bob",)), False),
        (SubmitterConfig(name="s", unit=("shop.service",)), True),
        (SubmitterConfig(name="s", unit=("sh*.service",)), True),
        (SubmitterConfig(name="s", unit=("cron.service",)), False),
        (SubmitterConfig(name="s", network=("192.0.2.0/24",)), True),
        (SubmitterConfig(name="s", network=("192.0.2.7",)), True),
        (SubmitterConfig(name="s", network=("::1",)), False),
        (SubmitterConfig(name="s", user=("alice",), unit=("x.service",)), False),
        (SubmitterConfig(name="s"), True),
    ],
)
def test_a_section_fits_when_all_that_it_says_of_somebody_does(
    tmp_path: Path, section: SubmitterConfig, *, fits: bool
) -> None:
    gate = Policies(tmp_path, section).gate()

    known = gate.known(by(ALICE, unit="shop.service", client="192.0.2.7"))

    assert known.rules == ("s" if fits else "")


@pytest.mark.parametrize(
    ("door", "fits"), [("spool=drop", True), ("spool=dro", False), ("sendmail", False)]
)
def test_a_section_fits_whoever_leaves_mail_in_its_spools(
    tmp_path: Path, door: str, *, fits: bool
) -> None:
    section = SubmitterConfig(name="s", spool=("shop", "drop"))
    gate = Policies(tmp_path, section).gate()

    for uid in (ALICE, BOB, None):
        assert gate.known(Submitter(name=door, uid=uid)).rules == ("s" if fits else "")


def test_the_first_section_that_fits_counts(tmp_path: Path) -> None:
    first = SubmitterConfig(name="first", user=("alice",))
    gate = Policies(tmp_path, first, SubmitterConfig(name="rest")).gate()

    assert gate.known(by(ALICE)).rules == "first"
    assert gate.known(by(BOB)).rules == "rest"


def test_a_unit_or_client_of_nobody_fits_no_section(tmp_path: Path) -> None:
    unit = SubmitterConfig(name="u", unit=("*.service",))
    net = SubmitterConfig(name="n", network=("0.0.0.0/0",))
    gate = Policies(tmp_path, unit, net).gate()

    assert gate.known(by(ALICE)).rules == ""
    assert gate.known(by(ALICE, client="no address")).rules == ""


def test_only_gateways_speak_for_others(tmp_path: Path) -> None:
    gate = Policies(tmp_path).gate()

    for uid in (0, DAEMON, GATEWAY):
        assert gate.may_speak_for_others(by(uid))
    for nobody in (ALICE, None):
        assert not gate.may_speak_for_others(by(nobody))


@pytest.mark.parametrize(
    ("uid", "own"),
    [
        (SSSD, "dora@corp.example"),
        (DOMAIN, '"CORP\\\\dora d"@host.example'),
    ],
)
def test_a_login_that_is_no_word_is_an_address_all_the_same(
    tmp_path: Path, uid: int, own: str
) -> None:
    """A directory service names users so; none of their mail with a From went out."""
    gate = Policies(tmp_path).gate()
    refusing = Policies(tmp_path).gate(otherwise=Otherwise.REFUSE)

    passed = gate.admit(draft(b"From: Bob <bob>\n\n", "bob"), by(uid))

    assert gate.own_address(by(uid)) == own
    assert passed.reverse_path == own
    assert values(passed, "from") == [f"Bob <{own}>".encode()]
    assert parse_list(own) == (own,)
    refusing.check_sender(own, by(uid))
    with pytest.raises(SenderRefused):
        refusing.check_sender("dora@host.example", by(uid))


def test_limits_and_names_are_asked_of_the_rules(tmp_path: Path) -> None:
    gate = Policies(tmp_path).gate(otherwise=Otherwise.REFUSE)

    assert gate.full_name(by(ALICE)) == "Alice Ample"
    assert gate.resolved("bob", by(ALICE)) == ["bob@host.example"]
    gate.check_recipient("bob", by(ALICE))
    gate.check_sender(None, by(ALICE))
    Policies(tmp_path).gate().check_sender("bob", by(ALICE))
