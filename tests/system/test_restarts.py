# SPDX-License-Identifier: Apache-2.0
"""The service is restarted again and again while programs submit without pause."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.fakes.smtp_peer import Taken
from tests.fakes.smtp_server import SmtpServer
from tests.system.host import UNIT
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import Mail
from tests.system.office import GATEWAY, SUBMISSION, Office
from tests.system.postfix import Delivered
from tests.system.wire import Wire

SINK = 2601
CLIENTS = 8
WAYS = ("sendmail", SUBMISSION, "127.0.0.1", "::1")
RESTARTS = 50
FOLDER = "/srv/submitted"
# Its clients may send in any name, so that each mail can be told from the others.
TRUSTED = "[submitter alice]\nuser = alice\nsenders = *\n"


@pytest.fixture
def sink(the_wire: Wire) -> Iterator[SmtpServer]:
    """A server at the far end of the wire that takes everything at once."""
    with SmtpServer(listener=the_wire.far.listen(SINK)) as server:
        yield server


@pytest.fixture
def busy(office: Office, sink: SmtpServer) -> Office:
    """The office with its doors open, and mail going to the sink."""
    for name in "mails", "submitter":
        source = Path(__file__).with_name(f"{name}.py").read_text("utf-8")
        office.machine.push(f"/srv/tests/system/{name}.py", source)
    office.machine.run("install", "-d", "-o", "alice", FOLDER)
    office.open(TRUSTED, port=str(SINK), tls="none", tls_ca_file="")
    return office


@contextmanager
def submitting(office: Office) -> Iterator[None]:
    """Have eight clients at work during the block."""
    command = ("env", "-C", "/srv", "python3", "-m", "tests.system.submitter")
    with ExitStack() as stack:
        for number in range(CLIENTS):
            way = WAYS[number % len(WAYS)]
            words = (way, str(number), str(CLIENTS), FOLDER)
            client = office.machine.background(*command, *words, user="alice")
            stack.enter_context(client)
        try:
            yield
        finally:
            office.machine.path(f"{FOLDER}/stop").touch()


def ledgers(office: Office) -> list[list[str]]:
    """Return what each client wrote down, a line for each mail."""
    files = [office.machine.path(f"{FOLDER}/{number}") for number in range(CLIENTS)]
    return [file.read_text().splitlines() if file.exists() else [] for file in files]


def until_all_went_on(office: Office) -> None:
    """Wait until each client has heard something of another mail, or of two."""
    before = [len(lines) for lines in ledgers(office)]

    def look() -> bool:
        now = [len(lines) for lines in ledgers(office)]
        return all(new > old + 1 for new, old in zip(now, before, strict=True))

    until(look)


def arrived(taken: Taken) -> Iterator[Delivered]:
    """Yield the copies of one transaction, as a mailbox would show them."""
    sender = taken.mail.partition(b"<")[2].partition(b">")[0]
    for recipient in taken.recipients:
        raw = b"Return-Path: <%s>\nX-Original-To: %s\n" % (sender, recipient.encode())
        yield Delivered.read(raw + taken.content.replace(b"\r\n", b"\n"))


def test_fifty_restarts_under_eight_clients_refuse_lose_and_double_nothing(
    busy: Office, sink: SmtpServer
) -> None:
    """The clients try nothing twice: whatever one hears but yes is a failure."""
    machine = busy.machine

    with submitting(busy):
        for number in range(RESTARTS):
            until_all_went_on(busy)
            machine.run("systemctl", "restart", UNIT)
            if number % 5 == 4:
                machine.run("systemctl", "restart", GATEWAY)

    lines = [line.partition(" ") for lines in ledgers(busy) for line in lines]
    heard = {int(number): wrong for number, _, wrong in lines}
    assert {number: wrong for number, wrong in heard.items() if wrong} == {}
    sent = [Mail(number=number) for number in heard]
    wanted = sum(len(mail.recipients) for mail in sent)
    until(lambda: sum(len(each.recipients) for each in sink.delivered) >= wanted)
    until(lambda: not busy.host.queue() and not busy.host.dropped_files())
    came = [copy for each in sink.delivered for copy in arrived(each)]
    assert judge(sent, came) == Verdict()
