# SPDX-License-Identifier: Apache-2.0
"""What ends on the host works in the unit's sandbox: Maildir, command, file."""

from maildropd.mail.events import RecipientDelivered
from tests.system.host import Host
from tests.system.postfix import Postfix

STATE = "/var/lib/maildropd"
# What a submitter was taken under, and an alias's wish, as the store keeps it.
LAY = f"""
import sys
sys.path.insert(0, "/usr/share/maildropd")
from datetime import timedelta
from pathlib import Path
from maildropd.host.clock import SystemClock
from maildropd.host.heartbeat import Heartbeats
from maildropd.mail.envelope import Submission, Submitter, Terms, queue_id
from maildropd.store.sqlite import SqliteStore

class Mute:
    def emit(self, event):
        pass

clock = SystemClock("")
store = SqliteStore(Path("{STATE}"), "test", Mute(), clock, Heartbeats(clock))
now = clock.now()
for number, (rules, run) in enumerate([
    ("staging", ""),
    ("", "|/usr/bin/python3 -c 'import sys; open(\\"{STATE}/heard\\", \\"w\\")"
         ".write(sys.stdin.read())'"),
    ("", "{STATE}/mbox"),
]):
    mail = Submission(
        reverse_path="app@example.test",
        recipients=(f"r{{number}}@example.test",),
        submitter=Submitter(name="sendmail", uid=0, rules=rules),
        content=[b"Subject: hello\\r\\n\\r\\nHow do you do?\\r\\n"],
        terms=(Terms(run=run),),
    )
    times = (now, now + timedelta(days=1))
    store.add(mail, queue_id(now, number), times).result()
store.close()
"""
CONFIG = f"""
[names]
aliases_may_run = yes
[submitter staging]
unit = none.service
capture = {STATE}/box
"""


def test_maildir_command_and_file_work_in_the_sandbox(
    host: Host, smarthost: Postfix
) -> None:
    host.configure(CONFIG)
    host.start()
    host.machine.run("systemctl", "stop", "maildropd")
    owner = host.machine.run("stat", "--format=%U", STATE).strip()
    host.machine.run("/usr/bin/python3", "-c", LAY, user=owner)

    host.machine.run("systemctl", "start", "maildropd")

    told = host.until_said(RecipientDelivered.event_id, count=3)
    relays = {entry["MAILDROP_RELAY"] for entry in told}
    assert relays == {f"maildir:{STATE}/box", "command", "file"}
    state = host.machine.path(STATE)
    (captured,) = (state / "box" / "new").iterdir()
    for file in captured, state / "heard", state / "mbox":
        assert "\n\nHow do you do?\n" in file.read_text()
    assert smarthost.count() == 0
