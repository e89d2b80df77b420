# SPDX-License-Identifier: Apache-2.0
"""Any message through MaildropHost's form, and any setting through its file."""

import subprocess

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from maildropd.edge.spool import maildrophost
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.grammar import parse
from maildropd.foreign.maildrophost.settings import Settings
from maildropd.foreign.maildrophost.spool import formed
from maildropd.foreign.maildrophost.writing import text
from maildropd.mail.address import unique

EACH = 10_000
SHELLS = 30  # texts for one shell
many_times = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=EACH,
)
LOCAL = st.text("abcxyz019.+_=-", min_size=1, max_size=20).filter(
    lambda word: "" not in word.split(".")
)
DOMAINS = st.sampled_from(["example.net", "x", "b\u00fccher.example", "[192.0.2.1]"])
ADDRESSES = st.builds("{}@{}".format, LOCAL, DOMAINS)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0")
    | st.sampled_from("'\"\\$`\n\r ;#%!")
)
WORDS = ["A", "=", "1", "0x", "'", '"', "'''", "u", "r", "\\", "\n", " ", "#", ".", "e"]
FILES = st.lists(st.sampled_from(WORDS) | st.characters(), max_size=30).map("".join)


@many_times
@given(
    ADDRESSES | st.none(),
    st.lists(ADDRESSES, min_size=1, max_size=5),
    st.binary(min_size=1) | TEXTS.map(str.encode),
)
def test_any_message_comes_back_from_the_spool(
    sender: str | None, recipients: list[str], message: bytes
) -> None:
    assume(message.strip() and not message.startswith(b"##"))

    draft = maildrophost.read(formed(sender, recipients, message), 10)

    assert b"".join(draft.content) == message
    assert draft.reverse_path == sender
    assert draft.recipients == unique(recipients)


@many_times
@given(TEXTS)
def test_any_text_comes_back_from_a_configuration(value: str) -> None:
    assert parse(text({"A": value, "B": 1}), "config") == {
        "A": (value, 1),
        "B": (1, 2),
    }


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=300,
)
@given(st.lists(TEXTS, min_size=SHELLS, max_size=SHELLS))
def test_any_text_is_the_same_to_a_shell(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "config"
    said = {f"V{number}": value for number, value in enumerate(values)}
    path.write_text(text(said), newline="")
    shown = "\n".join(f'printf "%s\\0" "${name}"' for name in said)

    done = subprocess.run(
        ["sh", "-c", f'. "$1"\n{shown}', "sh", path], check=True, capture_output=True
    )

    assert done.stderr == b""
    assert done.stdout.decode().split("\0")[:-1] == values


def read(content: str) -> Settings | Unreadable:
    """Return what comes of it; anything else that is raised is a bug."""
    try:
        return Settings.parse(content, "config")
    except Unreadable as error:
        return error


@many_times
@given(FILES)
def test_any_file_is_read_or_refused_with_its_line(content: str) -> None:
    found = read(content)

    last = content.count("\n") + 1
    if isinstance(found, Unreadable):
        assert 1 <= int(found.where.removeprefix("config:")) <= last
    else:
        assert all(1 <= line <= last for line in found.lines.values())


def test_a_file_of_a_megabyte_is_read_in_time_of_its_size() -> None:
    """Each of these is slow where a reader looks back, or counts lines anew."""
    for unit in ("A=1 ", "A='x'\n", "\\\n", "# c\n", "A='''", "u'\\u00e9"):
        assert read(unit * (1_000_000 // len(unit))) is not None
