# SPDX-License-Identifier: Apache-2.0
"""send_email, as gs.email has it: batches of fifty, and one Message-ID over all."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maildropd import api
from tests.fakes.submission_server import SubmissionServer

MAIL = "From: a@x.example\nSubject: hi\n\nhello\n"
SENDER = "list@x.example"


def many(number: int) -> list[str]:
    return [f"m{each}@x.example" for each in range(number)]


@pytest.fixture(params=["threads", "asyncio"])
def send(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    drop: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., None]:
    """The doors are those of the environment: the function names none."""
    monkeypatch.setenv("MAILDROP_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("MAILDROP_DROP", str(drop))
    if request.param == "threads":
        return api.send_email
    return lambda *values, **more: asyncio.run(api.send_email_async(*values, **more))


def named(server: SubmissionServer) -> list[list[bytes]]:
    """Return the recipients of each batch."""
    batches: list[list[bytes]] = []
    for session in server.sessions:
        for command in session.commands:
            if command.startswith(b"MAIL"):
                batches.append([])
            elif command.startswith(b"RCPT"):
                batches[-1].append(command)
    return batches


@pytest.mark.parametrize(
    ("number", "sizes"), [(1, [1]), (50, [50]), (51, [50, 1]), (101, [50, 50, 1])]
)
def test_recipients_go_in_batches_of_fifty(
    send: Callable[..., None], server: SubmissionServer, number: int, sizes: list[int]
) -> None:
    send(SENDER, many(number), MAIL)

    assert [len(batch) for batch in named(server)] == sizes
    assert len(server.stored) == len(sizes)


def test_one_message_id_is_over_all_batches(
    send: Callable[..., None], server: SubmissionServer
) -> None:
    """gs.email has another one in each batch."""
    send(SENDER, many(101), MAIL)

    assert len(server.stored) == 3
    (content,) = set(server.stored.values())
    assert len(re.findall(rb"(?mi)^message-id: <[^<>\s]+@[^<>\s]+>\r$", content)) == 1
    assert content.endswith(MAIL.replace("\n", "\r\n").encode())


def test_a_message_id_that_is_there_stays(
    send: Callable[..., None], server: SubmissionServer
) -> None:
    send(SENDER, "b@x.example", "Message-ID: <1@x.example>\n" + MAIL)

    (content,) = server.stored.values()
    assert content.lower().count(b"message-id:") == 1


@pytest.mark.parametrize("text", [" indented\r\nand more\r\n", "hi\r\n", "\r\nhi\r\n"])
def test_a_text_without_a_header_is_all_text(
    send: Callable[..., None], server: SubmissionServer, text: str
) -> None:
    """A first line that began with a blank ended up within the Message-ID."""
    send(SENDER, "b@x.example", text)

    (content,) = server.stored.values()
    header, _, body = content.partition(b"\r\n\r\n")
    assert re.fullmatch(rb"Message-ID: <\S+>", header)
    assert body == text.lstrip("\r\n").encode()


@pytest.mark.parametrize("nobody", ["", [], (), ",", [""]])
def test_to_nobody_nothing_is_done(
    send: Callable[..., None], server: SubmissionServer, nobody: Any
) -> None:
    send(SENDER, nobody, MAIL)

    assert server.sessions == []


@pytest.mark.parametrize(
    "recipients", ["b@x.example, c@x.example", ("b@x.example", "c@x.example")]
)
def test_recipients_are_text_or_a_list(
    send: Callable[..., None], server: SubmissionServer, recipients: Any
) -> None:
    send(SENDER, recipients, MAIL)

    assert len(named(server)[0]) == 2


def test_each_recipient_may_have_a_return_address(
    send: Callable[..., None], server: SubmissionServer
) -> None:
    send(SENDER, many(51), MAIL, xverp=True)

    commands = [each for s in server.sessions for each in s.commands]
    mails = [each for each in commands if each.startswith(b"MAIL")]
    assert len(mails) == 2
    assert all(b" XVERP=+=" in each for each in mails)


def test_a_batch_that_is_refused_stops_no_other(
    send: Callable[..., None], server: SubmissionServer
) -> None:
    """The error names those to whom nothing was sent."""
    server.replies[b"RCPT TO:<m7@x.example>"] = b"550 5.1.1 nobody"

    with pytest.raises(api.NotAccepted, match=r"m7@x.example: 550") as caught:
        send(SENDER, many(101), MAIL)

    assert len(server.stored) == 2
    assert caught.value.unsent == tuple(many(50))


def test_a_bad_recipient_is_found_before_anything_is_sent(
    send: Callable[..., None], server: SubmissionServer
) -> None:
    with pytest.raises(api.BadMessage):
        send(SENDER, [*many(60), "a b@x.example"], MAIL)

    assert server.sessions == []
