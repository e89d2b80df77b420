# SPDX-License-Identifier: Apache-2.0
"""The main job on the real thing: a thousand mails, and the whole story of each."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import pytest

from maildropd.mail.events import MessageAccepted, MessageDone, RecipientDelivered
from tests.system.conftest import Debs, install
from tests.system.host import UNIT, Host
from tests.system.judge import Verdict, judge
from tests.system.machine import Entry, Machine, until
from tests.system.mails import Mail, copies, mails
from tests.system.postfix import Delivered, Postfix
from tests.system.root import USERS

THOUSAND = range(1000)
COPIES = copies(THOUSAND)


def test_a_bare_debian_installs_and_starts_it_without_editing_anything(
    bare: Machine, debs: Debs
) -> None:
    install(bare, *debs)

    bare.run("systemctl", "enable", "--quiet", "--now", "maildropd")

    assert bare.is_active(UNIT)
    assert bare.run("systemctl", "is-system-running").strip() == "running"
    assert bare.run("stat", "-c", "%a %U %G", "/var/spool/maildrop/drop") == (
        "3733 _maildrop _maildrop\n"
    )
    for page in "maildropd", "maildropctl", "maildropd.conf", "sendmail", "mailq":
        assert bare.run("man", "-w", page)
    bare.run("maildropctl", "status")


@pytest.fixture(scope="module")
def arrived(the_host: Host, the_smarthost: Postfix) -> Sequence[Delivered]:
    """What came of a thousand mails."""
    the_smarthost.forget()
    the_host.trust(the_smarthost.authority)
    the_host.configure()
    the_host.start()
    the_host.drop(THOUSAND)
    until(lambda: the_smarthost.count() >= COPIES, within=60)
    until(lambda: not the_host.queue())
    # Read from now on: what is told last comes a moment after.
    the_host.until_said(MessageDone.event_id, count=len(THOUSAND))
    return the_smarthost.mails()


@pytest.fixture(scope="module")
def lives(the_host: Host, arrived: Sequence[Delivered]) -> Mapping[str, list[Entry]]:
    """What the journal says of each message, by its queue id."""
    assert len(arrived)
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in the_host.machine.journal(UNIT):
        if queue_id := entry.get("MAILDROP_QUEUE_ID"):
            found[queue_id].append(entry)
    return found


def test_a_thousand_mails_of_three_users_arrive_once_and_byte_for_byte(
    arrived: Sequence[Delivered],
) -> None:
    assert judge(mails(THOUSAND), arrived) == Verdict()


def test_they_came_by_a_verified_encrypted_connection(
    arrived: Sequence[Delivered],
) -> None:
    assert {"with ESMTPS id" in mail.trace for mail in arrived} == {True}


def test_nothing_is_left_behind(the_host: Host, arrived: Sequence[Delivered]) -> None:
    assert len(arrived)
    assert the_host.dropped_files() == []
    assert the_host.queue() == []
    assert list(the_host.machine.path("/var/lib/maildropd/content").iterdir()) == []
    assert the_host.restarts() == 0


def test_the_journal_holds_the_whole_life_of_each_by_its_queue_id(
    lives: Mapping[str, list[Entry]],
) -> None:
    stories = [[entry["MESSAGE_ID"] for entry in life] for life in lives.values()]

    assert len(stories) == len(THOUSAND)
    for story in stories:
        assert story[0] == MessageAccepted.event_id
        assert set(story[1:-1]) == {RecipientDelivered.event_id}
        assert story[-1] == MessageDone.event_id
    assert sum(len(story) for story in stories) == 2 * len(THOUSAND) + COPIES


def test_the_journal_says_who_sent_what_to_whom(
    the_host: Host, lives: Mapping[str, list[Entry]]
) -> None:
    uids = {the_host.machine.run("id", "-u", user).strip() for user in USERS}
    mail = Mail(number=4)
    life = next(
        life for life in lives.values() if life[0]["MAILDROP_SENDER"] == mail.sender
    )

    delivered = life[1:-1]
    assert {entry["MAILDROP_RECIPIENT"] for entry in delivered} == set(mail.recipients)
    assert {entry["MAILDROP_RELAY"] for entry in delivered} == {"smarthost.test:25"}
    assert {entry["MAILDROP_DSN"] for entry in delivered} == {"2.0.0"}
    assert life[0]["MAILDROP_MESSAGE_ID"] == "<4@drop.test>"
    accepted = [life[0] for life in lives.values()]
    assert {entry["MAILDROP_SUBMITTER_UID"] for entry in accepted} == uids


def test_journalctl_explains_each_kind_of_line_from_the_catalog(
    the_host: Host, lives: Mapping[str, list[Entry]]
) -> None:
    queue_id = next(iter(lives))

    shown = the_host.machine.run("journalctl", "-x", f"MAILDROP_QUEUE_ID={queue_id}")

    assert f"Subject: Message {queue_id} accepted" in shown
    assert f"Subject: Message {queue_id} delivered to <" in shown
    assert shown.count("Defined-By: maildropd") == len(lives[queue_id])


@pytest.fixture(autouse=True, scope="module")
def _off(the_host: Host) -> Iterator[None]:
    yield
    the_host.reset()
