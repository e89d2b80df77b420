# SPDX-License-Identifier: Apache-2.0
"""One address for all, the forward map, the story of it, and how far a way may lead."""

from pathlib import Path

import pytest

from maildropd.mail.draft import Recipient
from maildropd.mail.errors import TooManyRecipients
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.aliases import AliasTrouble
from maildropd.policy.forward_map import ForwardMap
from tests.fakes.journal import FakeJournal
from tests.fakes.policies import Policies, goes_to, say


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    return Policies(tmp_path)


def test_all_local_mail_goes_to_one_address(tmp_path: Path) -> None:
    policies = Policies(tmp_path, local_to="ops@far.example")
    say(policies, "shop: shop@far.example\nroot: alice\n")

    assert goes_to(policies.names, "root", "bob", "shop", "x@else.example") == [
        *("ops@far.example", "shop@far.example", "x@else.example")
    ]


def test_the_first_pattern_that_changes_an_address_counts(tmp_path: Path) -> None:
    path = tmp_path / "forward"
    path.write_text(
        "# old names\n"
        "^same@ same@\n"
        r"^(.*)@old\.example$ \1@new.example" + "\n"
        "^.*@old.example$ never@far.example\n"
        "^bad@ not-an-address<\n"
        "( broken\n"
        "three words here\n"
        r"^x \9" + "\n"
    )
    policies = Policies(tmp_path, forward_map=path)

    assert goes_to(policies.names, "bob@old.example") == ["bob@new.example"]
    assert goes_to(policies.names, "same@far.example") == ["same@far.example"]
    assert goes_to(policies.names, "bad@far.example") == ["bad@far.example"]
    wrong = [e.place for e in policies.journal.events if isinstance(e, AliasesWrong)]
    assert [place.rpartition(":")[2] for place in wrong] == ["6", "7", "8"]


def test_without_a_map_nothing_is_changed() -> None:
    assert ForwardMap(None, FakeJournal()).apply("a@b") == ("a@b", "")


def test_a_map_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    journal = FakeJournal()
    forwards = ForwardMap(tmp_path, journal)

    assert forwards.apply("a@b") == ("a@b", "")
    assert "is not a file" in str(journal.events)


def test_every_step_is_told(tmp_path: Path) -> None:
    path = tmp_path / "forward"
    path.write_text("far new\n")
    policies = Policies(tmp_path, forward_map=path, local_to="ops@far.example")
    say(policies, "root: alice\n")

    story = policies.names.explain("root", 10)

    assert [(step.address, step.became) for step in story.steps] == [
        ("root", "root@host.example"),
        ("root@host.example", "alice"),
        ("alice", "alice@host.example"),
        ("alice@host.example", "ops@far.example"),
        ("ops@far.example", "ops@new.example"),
    ]
    assert story.steps[1].why == f"{policies.aliases}:1"
    assert story.steps[-1].why == f"{path}:1"
    assert [each.forward_path for each in story.recipients] == ["ops@new.example"]
    assert story.trouble is None


def test_a_story_that_ends_badly_is_told_up_to_there(policies: Policies) -> None:
    say(policies, "root: alice, bob\nbob: c\nc: bob\n")

    story = policies.names.explain("root", 10)

    assert [each.forward_path for each in story.recipients] == ["alice@host.example"]
    assert [step.became for step in story.steps][-1] == "bob@host.example"
    assert str(story.trouble) == f"{policies.aliases}:2: bob leads to itself"


def test_a_story_is_no_longer_than_a_message_may_be(policies: Policies) -> None:
    say(policies, "root: a@x, b@x, c@x\n")

    story = policies.names.explain("root", 2)

    assert isinstance(story.trouble, TooManyRecipients)


# --- bounds ---------------------------------------------------------------------------


def test_aliases_that_double_at_each_step_are_followed_once(policies: Policies) -> None:
    """Fifteen lines took eight seconds; each more would have doubled that."""
    lines = [f"a{n}: a{n + 1}, a{n + 1}\n" for n in range(19)]
    say(policies, "".join(lines))

    assert goes_to(policies.names, "a0", "A0@localhost") == ["a19@host.example"]
    assert len(policies.names.explain("a8", 10**6).steps) < 50


def test_aliases_lead_on_for_twenty_steps(policies: Policies) -> None:
    say(policies, "".join(f"a{n}: a{n + 1}\n" for n in range(30)))

    assert goes_to(policies.names, "a10") == ["a30@host.example"]
    with pytest.raises(AliasTrouble, match=r"aliases:30: 20 aliases lead to a29"):
        goes_to(policies.names, "a9")


def test_each_extension_has_its_own_run(tmp_path: Path) -> None:
    """The command is told for whom it is."""
    policies = Policies(tmp_path, aliases_may_run=True)
    say(policies, 'bob: "|/bin/sort"\n')
    to = [Recipient(forward_path=f"bob+{ext}") for ext in ("a", "b", "a")]

    found = policies.names.expand(to, 10)

    assert [each.forward_path for each in found] == [
        *("bob+a@host.example", "bob+b@host.example")
    ]


@pytest.mark.parametrize(
    "value",
    [
        *(":blackhole:", ":fail: no such user", ":defer:", ":include", "group:;"),
        *("a b@far.example", "a@far.example;b@far.example", "<>", "a@b@c", "a@", "@b"),
        *(
            "a@-x:",
            'bob, "',
            '"bob@far.example"',
            "bob@far.example # the boss",
            "\\",
            "x" * 65,
        ),
        *("caf\udce9@far.example", "a\0b", "a\x1b[2J@far.example", "a\u2028b"),
    ],
)
def test_a_value_that_is_no_address_goes_nowhere(
    policies: Policies, value: str
) -> None:
    """What other mail systems take for a command was a name of ours: "no" at fail."""
    policies.aliases.write_bytes(
        f"a: {value}\nb: c\n".encode("utf-8", "surrogateescape")
    )

    with pytest.raises(AliasTrouble, match="aliases:1: ") as refused:
        goes_to(policies.names, "a")

    assert refused.value.reply.code == 451
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()
    assert goes_to(policies.names, "b") == ["c@host.example"]


@pytest.mark.parametrize("octets", [b"|/bin/x \xe9", b"|/bin/x \x1b", b"/var/\0x"])
def test_what_runs_is_printable(tmp_path: Path, octets: bytes) -> None:
    policies = Policies(tmp_path, aliases_may_run=True)
    policies.aliases.write_bytes(b"a: " + octets + b"\nb: |/bin/x\ty\n")

    with pytest.raises(AliasTrouble, match="is not printable"):
        goes_to(policies.names, "a")
    assert goes_to(policies.names, "b") == ["|/bin/x\ty"]


def test_a_backslash_runs_nothing(tmp_path: Path) -> None:
    policies = Policies(tmp_path, aliases_may_run=True)
    say(policies, "a: \\|/bin/x\n")

    (found,) = policies.names.expand([Recipient(forward_path="a")], 10)

    assert found.forward_path == "|/bin/x@host.example"
    assert not found.terms.run
