# SPDX-License-Identifier: Apache-2.0
"""The judge of all other tests here misses nothing."""

from dataclasses import replace

from tests.system.judge import Verdict, judge
from tests.system.mails import Mail, mails
from tests.system.postfix import Delivered

SENT = range(16)


def deliver(mail: Mail, recipient: str) -> Delivered:
    """Do what Postfix does: a line at the end gets its end."""
    end = b"" if mail.content.endswith(b"\n") else b"\n"
    raw = (
        f"Return-Path: <{mail.sender}>\nX-Original-To: {recipient}\n"
        f"Delivered-To: {recipient}\nReceived: from here\n\tby there\n"
    ).encode()
    return Delivered.read(raw + mail.content + end)


ALL = tuple(deliver(mail, who) for mail in mails(SENT) for who in mail.recipients)


def test_all_once_and_unchanged_is_the_empty_verdict() -> None:
    assert judge(mails(SENT), ALL) == Verdict()


def test_a_lost_copy_is_named() -> None:
    assert judge(mails(SENT), ALL[1:]).lost == {(0, "m0@example.test")}


def test_a_second_copy_is_counted() -> None:
    assert judge(mails(SENT), [*ALL, ALL[3]]).doubled == 1


def test_a_copy_to_somebody_else_is_named() -> None:
    stray = replace(ALL[3], recipient="mallory@example.test")

    assert judge(mails(SENT), [*ALL, stray]).strange == {(3, "mallory@example.test")}


def test_one_octet_more_is_a_change() -> None:
    changed = replace(ALL[3], content=ALL[3].content + b"\n")

    assert judge(mails(SENT), [*ALL[:3], changed, *ALL[4:]]).changed


def test_another_sender_is_a_change() -> None:
    changed = replace(ALL[3], sender="mallory@drop.test")

    assert judge(mails(SENT), [*ALL[:3], changed, *ALL[4:]]).changed
