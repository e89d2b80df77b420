# SPDX-License-Identifier: Apache-2.0
"""Where each recipient's mail goes: names, aliases, one address, forward map."""

from pathlib import Path

import pytest

from maildropd.mail.draft import Recipient
from maildropd.mail.envelope import Terms
from maildropd.mail.errors import TooManyRecipients
from maildropd.mail.submission_events import AliasesWrong
from maildropd.policy.alias_file import Alias, WrongLine, entries
from maildropd.policy.aliases import AliasTrouble
from tests.fakes.policies import Policies, goes_to, say


@pytest.fixture
def policies(tmp_path: Path) -> Policies:
    return Policies(tmp_path)


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
