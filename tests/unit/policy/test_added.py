# SPDX-License-Identifier: Apache-2.0
"""What is added to mail that passes, and what is changed for its sender."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.model import Otherwise, SubmitterConfig
from maildropd.policy.header import TooManyHops
from maildropd.policy.senders import SenderRefused
from tests.fakes.policies import (
    ALICE,
    Policies,
    by,
    draft,
    values,
)

FROM_BOB = b"From: Bob <bob@host.example>\nSubject: s\n\n"
HOUR = timedelta(hours=1)


def test_an_empty_from_is_nobodys(tmp_path: Path) -> None:
    header = b"From:\nSender: bob\n\n"

    passed = Policies(tmp_path).gate().admit(draft(header), by(ALICE))

    assert values(passed, "from") == [b"alice@host.example"]


def test_what_is_missing_is_added_and_nothing_else(tmp_path: Path) -> None:
    passed = Policies(tmp_path).gate().admit(draft(b"Subject: s\n\n"), by(ALICE))

    assert values(passed, "from") == [b'"Alice Ample" <alice@host.example>']
    assert len(values(passed, "date")) == 1
    assert values(passed, "message-id")[0].endswith(b"@host.example>")
    assert b"from uid 1000" in values(passed, "received")[0]
    assert passed.header.endswith(b"Subject: s\n\n")


def test_a_dropped_mail_goes_out_as_it_was_left(tmp_path: Path) -> None:
    header = b"From: alice@host.example\r\nX: \xff\r\n\r\n"

    passed = Policies(tmp_path).gate().admit(draft(header, as_is=True), by(ALICE))

    assert passed.header == header


def test_added_lines_end_as_the_others_do(tmp_path: Path) -> None:
    passed = Policies(tmp_path).gate().admit(draft(b"Subject: s\r\n\r\n"), by(ALICE))

    assert passed.header.count(b"\n") == passed.header.count(b"\r\n") == 6


def test_a_name_of_ones_own_cannot_end_a_field(tmp_path: Path) -> None:
    evil = draft(b"", full_name='X"\r\nBcc: victim@far.example\r\n')

    passed = Policies(tmp_path).gate().admit(evil, by(ALICE))

    assert values(passed, "bcc") == []
    assert len(values(passed, "from")) == 1


def test_what_goes_round_comes_to_an_end(tmp_path: Path) -> None:
    gate = Policies(tmp_path).gate()
    gate.admit(draft(b"Received: x\n" * 50 + b"\n"), by(ALICE))

    with pytest.raises(TooManyHops):
        gate.admit(draft(b"Received: x\n" * 100 + b"\n"), by(ALICE))


def test_senders_at_our_names_wear_a_mask(tmp_path: Path) -> None:
    header = b"From: Alice <alice>\nTo: bob\n\n"
    gate = Policies(tmp_path, rewrite_from="host-7@far.example").gate()

    passed = gate.admit(draft(header), by(ALICE))

    assert passed.reverse_path == "host-7@far.example"
    assert values(passed, "from") == [b"Alice <host-7@far.example>"]
    assert values(passed, "x-original-from") == [b"Alice <alice@host.example>"]
    assert values(passed, "to") == [b"bob@host.example"]


def test_a_sender_of_ours_wears_a_mask_beside_anothers_author(tmp_path: Path) -> None:
    """It was the author's address that was masked, or nothing."""
    header = b"From: x@shop.example\nSender: root\n\n"
    gate = Policies(tmp_path, rewrite_from="host-7@far.example").gate()

    passed = gate.admit(draft(header), by(0))

    assert values(passed, "from") == [b"x@shop.example"]
    assert values(passed, "sender") == [b"host-7@far.example"]


def test_a_mask_may_be_a_domain(tmp_path: Path) -> None:
    gate = Policies(tmp_path, rewrite_from="@far.example").gate()

    passed = gate.admit(draft(b"From: alice\n\n"), by(ALICE))

    assert passed.reverse_path == "alice@far.example"


def test_who_is_not_at_our_names_needs_no_mask(tmp_path: Path) -> None:
    gate = Policies(tmp_path, rewrite_from="host-7@far.example").gate()

    passed = gate.admit(draft(b"From: x@shop.example\n\n", "x@shop.example"), by(0))

    assert passed.reverse_path == "x@shop.example"
    assert values(passed, "from") == [b"x@shop.example"]


def test_all_of_it_goes_to_one_address_where_that_is_said(tmp_path: Path) -> None:
    section = SubmitterConfig(
        name="stage", user=("alice",), redirect_to="dev@far.example"
    )
    many = tuple(f"customer-{n}@shop.example" for n in range(500))

    passed = Policies(tmp_path, section).gate().admit(draft(to=many), by(ALICE))

    assert [each.forward_path for each in passed.recipients] == ["dev@far.example"]
    assert max(map(len, passed.header.splitlines())) < 998
    (original,) = values(passed, "x-original-to")
    assert original.count(b"@shop.example") == 500


def test_text_without_a_header_stays_text_when_it_is_redirected(
    tmp_path: Path,
) -> None:
    """Its first line would have become a line of X-Original-To's header."""
    section = SubmitterConfig(name="stage", redirect_to="dev@far.example")
    gate = Policies(tmp_path, section).gate()

    passed = gate.admit(draft(b"", as_is=True), by(0))

    assert passed.header == b"X-Original-To: x@far.example\n\n"


def test_a_section_that_refuses_overrules_a_host_that_rewrites(tmp_path: Path) -> None:
    section = SubmitterConfig(name="s", otherwise=Otherwise.REFUSE)

    with pytest.raises(SenderRefused):
        Policies(tmp_path, section).gate().admit(draft(FROM_BOB), by(ALICE))


def test_a_message_of_nobody_is_from_its_number(tmp_path: Path) -> None:
    gate = Policies(tmp_path).gate()

    assert gate.own_address(by(4242)) == "uid4242@host.example"
    passed = gate.admit(replace(draft(), reverse_path="bob"), by(4242))
    assert passed.reverse_path == "uid4242@host.example"
