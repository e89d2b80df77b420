# SPDX-License-Identifier: Apache-2.0
"""Reports on any message to anybody, in any server's words, read by another reader."""

import zlib

from maildropd.bounce.case import Action, Case, Fate, Letterhead, Mail
from maildropd.bounce.original import excerpt
from maildropd.bounce.report import report
from maildropd.mail.envelope import QueueId
from maildropd.mail.reply import Reply
from tests.unit.bounce.cases import NOON
from tests.unit.bounce.reading import Read, read

_SHARE = 40  # octets for each of the words of others
_NAMES = {"Reporting-MTA", "Arrival-Date", "X-Maildrop-Queue-ID", "X-Maildrop-Sender"}
_OF_RECIPIENTS = {"Final-Recipient", "Action", "Status", "Diagnostic-Code"}
_HEADER = [
    "Date",
    "From",
    "To",
    "Subject",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Type",
]
_MORE = {"In-Reply-To", "References", "Content-Transfer-Encoding"}
_OURS = 8000  # octets of a report beside what is quoted in it


def bounces(octets: bytes) -> None:
    """The report has its parts and fields, and not one more, whatever is quoted."""
    shares = [octets[at * _SHARE : (at + 1) * _SHARE] for at in range(6)]
    words = [share.decode("utf-8", "surrogateescape") for share in shares]
    action = list(Action)[len(octets) % len(Action)]
    fates = [
        Fate(
            forward_path=words[0] or "x",
            reply=Reply.parse(550, shares[1]),
            relay=words[2],
            orcpt=words[3],
        ),
        Fate(forward_path="bob@example.net", reply=Reply(550, "5.1.1", words[1])),
    ]
    mail = Mail(
        queue_id=QueueId("0123456789AB"),
        reverse_path=words[0],
        arrived=NOON,
        message_id=words[4] or None,
        envid=words[5],
    )
    head = Letterhead(
        host="mail.example.org",
        to=words[0],
        now=NOON,
        queue_id=QueueId("0123456789AC"),
        token=f"{zlib.crc32(octets):08x}",  # as hard to guess as a random one
    )
    whole_up_to = 50_000 if len(octets) % 2 else 0
    original = excerpt([octets[:100], octets[100:]], whole_up_to, in_utf8=head.in_utf8)
    case = Case(mail=mail, action=action, fates=fates)
    made = report(case, head, original)
    _check_form(made)
    _check(read(made), action)
    assert len(made) <= 3 * len(octets) * 4 + _OURS


def _check_form(made: bytes) -> None:
    """Nothing that mail cannot carry, but for what came in lines of the original."""
    head, _, _ = made.partition(b"\n\n")
    assert b"\0" not in made
    assert b"\r" not in head
    assert max(map(len, made.split(b"\n"))) <= 1000


def _check(found: Read, action: Action) -> None:
    names = found.head.keys()
    assert [name for name in names if name not in _MORE] == _HEADER
    assert len(found.kinds) == 3
    assert _NAMES <= set(found.message) <= {*_NAMES, "Original-Envelope-Id"}
    assert len(found.recipients) == 2
    for one in found.recipients:
        more = {"Original-Recipient", "Remote-MTA"}
        assert _OF_RECIPIENTS <= set(one) <= _OF_RECIPIENTS | more
        assert one["Action"] == action
