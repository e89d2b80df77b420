# SPDX-License-Identifier: Apache-2.0
"""One mail about many failures."""

from email import message_from_bytes

from maildropd.bounce.digest import Entry, digest
from tests.unit.bounce.cases import fate, letterhead, mail


def test_each_recipient_is_named_with_the_words_that_refused_it() -> None:
    entries = [
        Entry(mail=mail(), fate=fate(f"r{n}@example.net")) for n in range(10_000)
    ]

    found = message_from_bytes(digest(entries, letterhead()))

    text = str(found.get_payload())
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["Subject"] == "Not delivered: mail to 10000 recipients"
    assert sum(line.startswith("<r") for line in text.splitlines()) == 10_000
    assert "<r7@example.net> 0123456789AB" in text
    assert text.count("(mx.example.net: 550 5.1.1 no such user") == 10_000


def test_one_is_not_called_many() -> None:
    entries = [Entry(mail=mail(message_id=None), fate=fate())]

    found = message_from_bytes(digest(entries, letterhead()))

    assert found["Subject"] == "Not delivered: mail to 1 recipient"


def test_a_line_stays_a_line() -> None:
    evil = Entry(mail=mail(), fate=fate("x\r\nBcc: eve\n\n" + "y" * 3000))

    octets = digest([evil], letterhead())

    assert b"\r" not in octets
    assert b"\nBcc" not in octets
    assert max(map(len, octets.split(b"\n"))) <= 998
