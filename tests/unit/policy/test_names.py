# SPDX-License-Identifier: Apache-2.0
"""Where each recipient's mail goes: names, aliases, one address, forward map."""

import os
from pathlib import Path

import pytest

from maildropd.mail.draft import Recipient
from maildropd.mail.envelope import Terms
from maildropd.mail.errors import TooManyRecipients
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.alias_file import Alias, WrongLine, entries
from maildropd.policy.aliases import AliasTrouble
from maildropd.policy.forward_map import ForwardMap
from maildropd.policy.names import Names
from tests.fakes.journal import FakeJournal
from tests.fakes.policies import Policies


def goes_to(names: Names, *addresses: str) -> list[str]:
    recipients = [Recipient(forward_path=address) for address in addresses]
    return [one.terms.run or one.forward_path for one in names.expand(recipients, 100)]


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    return Policies(tmp_path)


def say(policies: Policies, text: str) -> None:
    """Write the aliases, so that it shows."""
    new = policies.aliases.with_name("new")
    new.write_text(text)
    os.rename(new, policies.aliases)


# --- names -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("bob", "bob@host.example"),
        ("bob@localhost", "bob@host.example"),
        ("bob@LOCALHOST.localdomain", "bob@host.example"),
        ("bob@host.example", "bob@host.example"),
        ("bob@far.example", "bob@far.example"),
        ('"a b"', '"a b"@host.example'),
        ('"a@b"', '"a@b"@host.example'),
        ('"a@b"@far.example', '"a@b"@far.example'),
        ("bob%far@host.example", "bob%far@host.example"),
        ("far!bob", "far!bob@host.example"),
        ("\u00e9", "\u00e9@host.example"),
    ],
)
def test_a_bare_name_is_completed(policies: Policies, written: str, meant: str) -> None:
    assert goes_to(policies.names, written) == [meant]


def test_the_domain_is_what_was_said(tmp_path: Path) -> None:
    names = Policies(
        tmp_path, domain="far.example", local_names=("other.example",)
    ).names

    assert goes_to(names, "bob") == ["bob@far.example"]
    for ours in ("bob", "b@far.example", "b@HOST.example", "b@other.example"):
        assert names.is_local(ours)
    assert not names.is_local("b@shop.example")


def test_each_recipient_is_served_once(policies: Policies) -> None:
    say(policies, "all: bob, BOB@host.example, x@far.example\n")

    assert goes_to(policies.names, "all", "bob", "x@FAR.example") == [
        *("bob@host.example", "BOB@host.example", "x@far.example")
    ]


# --- aliases ---------------------------------------------------------------------


def test_aliases_lead_on_until_they_end(policies: Policies) -> None:
    say(
        policies,
        """# who gets what
postmaster:    root
Root: alice,
       "Bob B" <bob@far.example>
alice: \\alice, shop@far.example
"two words": x@far.example
ops: ops, pager@far.example
""",
    )

    assert goes_to(policies.names, "postmaster") == [
        *("alice@host.example", "shop@far.example", "bob@far.example")
    ]
    assert goes_to(policies.names, "ROOT@localhost")[-1] == "bob@far.example"
    assert goes_to(policies.names, '"two words"') == ["x@far.example"]
    assert goes_to(policies.names, "ops") == ["ops@host.example", "pager@far.example"]
    assert goes_to(policies.names, "root@far.example") == ["root@far.example"]
    assert goes_to(policies.names, "carol") == ["carol@host.example"]


def test_what_follows_a_plus_is_the_users_own(policies: Policies) -> None:
    say(policies, "bob: x@far.example\nbob+news: y@far.example\n")

    assert goes_to(policies.names, "bob+lists") == ["x@far.example"]
    assert goes_to(policies.names, "bob+news") == ["y@far.example"]


def test_a_list_may_stand_in_a_file(policies: Policies, tmp_path: Path) -> None:
    members = tmp_path / "members"
    members.write_text("# all of them\na@far.example, b@far.example\nbob\n")
    say(policies, f"all: :include:{members}\nbob: c@far.example\n")

    assert goes_to(policies.names, "all") == [
        *("a@far.example", "b@far.example", "c@far.example")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a: b\nb: a\n",
        "a: b\nb: c\nc: d, a\n",
        "a: |/bin/true\n",
        'a: "|/bin/true x"\n',
        "a: /var/mail/a\n",
        "a: :include:/nowhere/at/all\n",
        "a: :include:relative\n",
        "a: :include:/etc\n",
        "a: not an address\n",
        "a: @\n",
        "a:\n",
    ],
)
def test_an_alias_that_cannot_be_followed_puts_off_mail_for_it_alone(
    policies: Policies, text: str
) -> None:
    say(policies, text + "z: x@far.example\n")

    with pytest.raises(AliasTrouble, match="aliases:"):
        goes_to(policies.names, "a")
    assert goes_to(policies.names, "z") == ["x@far.example"]


def test_commands_and_files_count_where_that_is_allowed(tmp_path: Path) -> None:
    policies = Policies(tmp_path, aliases_may_run=True)
    say(policies, 'a: "|/bin/x a, b", /var/log/a, c@far.example\n')

    found = policies.names.expand([Recipient(forward_path="a")], 10)

    assert [each.terms.run for each in found] == ["|/bin/x a, b", "/var/log/a", ""]
    assert found[0].forward_path == "a@host.example"


def test_no_address_reaches_a_command_but_through_an_alias(tmp_path: Path) -> None:
    names = Policies(tmp_path, aliases_may_run=True).names

    assert goes_to(names, "|/bin/x", "/etc/passwd") == [
        *("|/bin/x@host.example", "/etc/passwd@host.example")
    ]


def test_aliases_are_read_anew_when_they_change(policies: Policies) -> None:
    say(policies, "a: x@far.example\n")
    assert goes_to(policies.names, "a") == ["x@far.example"]

    say(policies, "a: y@far.example\n")

    assert goes_to(policies.names, "a") == ["y@far.example"]
    policies.aliases.unlink()
    assert goes_to(policies.names, "a") == ["a@host.example"]


def test_what_was_said_last_stays_while_the_file_is_broken(policies: Policies) -> None:
    say(policies, "a: x@far.example\n")
    assert goes_to(policies.names, "a") == ["x@far.example"]
    policies.aliases.chmod(0o666)
    policies.aliases.write_text("a: evil@far.example\n")

    assert goes_to(policies.names, "a") == ["x@far.example"]
    (told,) = policies.journal.events
    assert isinstance(told, AliasesWrong)
    assert "can be written by everybody" in told.reason
    assert goes_to(policies.names, "a") == ["x@far.example"]
    assert len(policies.journal.events) == 1


def test_a_file_that_never_could_be_read_puts_off_local_mail(
    policies: Policies,
) -> None:
    """It would go astray; who is elsewhere has nothing to do with it."""
    say(policies, "root: x@far.example\n")
    policies.aliases.chmod(0o666)

    with pytest.raises(AliasTrouble):
        goes_to(policies.names, "root")
    assert goes_to(policies.names, "x@far.example") == ["x@far.example"]


def test_a_line_that_is_none_is_told_once_and_passed_over(policies: Policies) -> None:
    say(policies, 'no colon here\n: x\n"a: x\nb: y@far.example\n')

    for _ in range(2):
        assert goes_to(policies.names, "b") == ["y@far.example"]
    places = [
        each.place.rpartition(":")[2]
        for each in policies.journal.events
        if isinstance(each, AliasesWrong)
    ]
    assert places == ["1", "2", "3"]


def test_no_list_is_longer_than_a_message_may_have(policies: Policies) -> None:
    say(policies, "all: " + ",".join(f"m{n}@far.example" for n in range(200)) + "\n")

    with pytest.raises(TooManyRecipients):
        goes_to(policies.names, "all")


def test_wishes_go_with_whom_an_alias_leads_to(policies: Policies) -> None:
    say(policies, "a: x@far.example, y@far.example\n")
    terms = Terms(notify="NEVER", orcpt="rfc822;a@host.example")

    found = policies.names.expand([Recipient(forward_path="a", terms=terms)], 10)

    assert [each.terms for each in found] == [terms, terms]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: b", Alias(name="a", values=("b",), line=1)),
        ("# x\n\n a: b\n  c", Alias(name="a", values=("b c",), line=3)),
        ("A :b ,, c,", Alias(name="a", values=("b", "c"), line=1)),
        ('a: "|x \\"y\\""', Alias(name="a", values=('|x "y"',), line=1)),
        ('a: |"x, y"', Alias(name="a", values=("|x, y",), line=1)),
        ('a: "b c"@d', Alias(name="a", values=('"b c"@d',), line=1)),
        ("a", WrongLine(line=1, wrong="has no name and colon at its beginning")),
        ('a: "b', Alias(name="a", values=(), line=1, wrong="has a quote without end")),
    ],
)
def test_an_entry_is_read(text: str, found: Alias | WrongLine) -> None:
    assert list(entries(text)) == [found]


# --- one address, forward map, and the story ------------------------------------------


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
