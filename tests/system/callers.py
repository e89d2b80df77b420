# SPDX-License-Identifier: Apache-2.0
"""The programs of Debian that send mail: how each is made to, and what must come.

None of them is ours.  Whoever has no From of his own gets one; one that is not
his is replaced, and kept beside.
"""

import re
from dataclasses import dataclass

from tests.system.office import BOX

BODY = "/srv/body"
LETTER = "/srv/letter"
TEXT = "Dear Bob,\n.\nafter the dot\nFrom the start of a line\n"
ALICE = '"Alice Adams" <alice@office.test>'
_LINES = "echo Dear Bob,; echo .; echo after the dot; echo From the start of a line"
# smartd finds a disk, see disk_shim.c.
_DISK = "/srv/disk.so"
_PATCH = """cd && rm -rf repository && git init -q repository && cd repository
git config user.name 'Alice Adams' && git config user.email alice@office.test
echo text > file && git add file && git commit -q -m 'one change'
git format-patch -q --root
git send-email --quiet --confirm=never --to=git@example.test ./*.patch"""
_BAN = """systemctl start fail2ban
timeout 20 sh -c 'until fail2ban-client ping; do sleep 0.1; done'
fail2ban-client set office banip 192.0.2.66"""
_SMTPLIB = f"""python3 - <<'END'
import smtplib, socket
class Local(smtplib.SMTP):
    def _get_socket(self, host, port, timeout):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(host)
        return connection
with %s as server:
    text = open("{LETTER}").read()
    server.sendmail("alice@office.test", ["%s@example.test"], text)
END"""
_DJANGO = f"""python3 - <<'END'
from django.conf import settings
settings.configure(EMAIL_HOST="127.0.0.1", DEFAULT_FROM_EMAIL="shop@office.test")
from django.core.mail import send_mail
send_mail("an order", open("{BODY}").read(), None, ["django@example.test"])
END"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A program, and the mail it sends."""

    name: str
    script: str
    user: str = "alice"  # who runs the script, and whose mail it is
    runs_as: str = ""  # who runs the script, where that is somebody else
    unit: str = ""  # the unit it comes from; empty: the script's
    recipient: str = ""  # empty: NAME@example.test
    sender: str = "alice@office.test"
    author: str = ALICE
    replaced: str = ""  # the author it had named
    body: str = re.escape(TEXT)  # an expression for all of it
    surmised: bool = False  # the user was looked up after the fact
    properties: tuple[str, ...] = ()

    @property
    def forward_path(self) -> str:
        return self.recipient or f"{self.name}@example.test"


BY_SENDMAIL = (
    Caller(
        name="cron",
        script=f"echo '@reboot {_LINES}' | crontab -u alice -\n"
        "rm -f /run/crond.reboot; systemctl restart cron",
        runs_as="root",
        unit="cron.service",
        recipient=BOX,
        author="alice@office.test",
        replaced="root@office.test (Cron Daemon)",
    ),
    Caller(
        name="at",
        script=f"echo '{_LINES}' | at now",
        unit="atd.service",
        recipient=BOX,
    ),
    Caller(
        name="anacron",
        script="printf 'MAILTO=root\\n1 0 office seq 3\\n' > /etc/anacrontab\n"
        "rm -f /var/spool/anacron/office; systemctl restart anacron",
        user="root",
        unit="anacron.service",
        recipient=BOX,
        sender="root@office.test",
        author="Anacron <root@office.test>",
        body="1\n2\n3\n",
    ),
    Caller(
        name="bsd-mailx",
        script=f"bsd-mailx -s 'from bsd-mailx' bsd-mailx@example.test < {BODY}",
    ),
    Caller(
        name="bsd-mailx-r",
        script="bsd-mailx -r alice+tag@office.test -s 'tagged' "
        f"bsd-mailx-r@example.test < {BODY}",
        sender="alice+tag@office.test",
        author="alice+tag@office.test",
    ),
    Caller(
        name="s-nail",
        script=f"s-nail -s 'from s-nail' s-nail@example.test < {BODY}",
        body=r"Dear Bob,\n=2E\nafter the dot\n=46rom the start of a line\n",
    ),
    Caller(
        name="mailutils",
        # It takes a lone dot for the end by itself.
        script="seq 3 | mail.mailutils -s 'from GNU' mailutils@example.test",
        body="1\n2\n3\n",
    ),
    Caller(
        name="mutt",
        script=f"mutt -s 'from mutt' mutt@example.test < {BODY}",
        author="Alice Adams <alice@office.test>",
    ),
    Caller(
        name="git",
        script=_PATCH,
        author="Alice Adams <alice@office.test>",
        body=r"---\n file \| 1 \+\n.*\n-- \n2\.39\.\d+\n\n",
    ),
    Caller(
        name="php",
        script=f'php -r \'mail("php@example.test", "from PHP", '
        f'file_get_contents("{BODY}"), "From: shop@example.org") or exit(1);\'',
        author="alice@office.test",
        replaced="shop@example.org",
        body=re.escape(f"{TEXT}\n"),
    ),
    Caller(
        name="perl",
        script=f"""perl -e 'open my $mail, "|-", "/usr/lib/sendmail -t -oi -oem"
            or die; print $mail "To: perl\\@example.test\\n\\n", `cat {BODY}`;
            close $mail or die'""",
    ),
    Caller(
        name="sudo",
        script="echo wrong | sudo -S true || exit 0",
        recipient=BOX,
        author="alice@office.test",
        body=r"office\.test : .* : alice : 1 incorrect password attempt ; .*\n\n",
        # It does not wait for its mail, and its own end is the unit's.
        properties=("KillMode=process",),
    ),
    Caller(
        name="logwatch",
        script="logwatch --output mail --service zz-disk_space --detail high",
        user="root",
        recipient=BOX,
        sender="root@office.test",
        author="root@office.test",
        body=r"\n? \n #+ Logwatch .* Disk Space End .* #+ Logwatch End #+ \n\n",
    ),
    Caller(
        name="unattended-upgrades",
        script="unattended-upgrade",
        user="root",
        recipient=BOX,
        sender="root@office.test",
        author="root@office.test",
        body="Unattended upgrade result: No packages found .*\n",
    ),
    Caller(
        name="smartd",
        script=f"LD_PRELOAD={_DISK} smartd -q onecheck -c /srv/smartd.conf",
        user="root",
        recipient=BOX,
        sender="root@office.test",
        author='"root" <root@office.test>',
        body=r"This message was generated by the smartd daemon .* SYSLOG\.\n",
    ),
    Caller(
        name="fail2ban",
        script=_BAN,
        user="root",
        unit="fail2ban.service",
        recipient=BOX,
        sender="guard@office.test",
        author="Fail2Ban <guard@office.test>",
        body=r"Hi,\n\nThe IP 192\.0\.2\.66 has just been banned .*Fail2Ban\n",
    ),
)
BY_SMTP = (
    Caller(
        name="smtplib",
        script=_SMTPLIB % ('Local("/run/maildrop/submission")', "smtplib"),
    ),
    Caller(
        name="smtplib-tcp",
        script=_SMTPLIB % ('smtplib.SMTP("127.0.0.1")', "smtplib-tcp"),
        surmised=True,
    ),
    Caller(
        name="smtplib-tcp6",
        script=_SMTPLIB % ('smtplib.SMTP("::1")', "smtplib-tcp6"),
        surmised=True,
    ),
    Caller(
        name="django",
        script=_DJANGO,
        author="alice@office.test",
        replaced="shop@office.test",
        surmised=True,
    ),
    Caller(
        name="msmtp",
        script="msmtp --host=localhost --socket=/run/maildrop/submission "
        f"--from=alice@office.test msmtp@example.test < {LETTER}",
        author="alice@office.test",
    ),
    Caller(
        name="msmtp-tcp",
        script="msmtp --host=127.0.0.1 --from=alice@office.test "
        f"msmtp-tcp@example.test < {LETTER}",
        author="alice@office.test",
        surmised=True,
    ),
    Caller(
        name="swaks",
        script="swaks --silent --socket /run/maildrop/submission "
        f"--from alice@office.test --to swaks@example.test --data @{LETTER}",
        body=re.escape(f"{TEXT}\n"),
    ),
    Caller(
        name="swaks-tcp",
        script="swaks --silent --server 127.0.0.1 "
        f"--from alice@office.test --to swaks-tcp@example.test --data @{LETTER}",
        body=re.escape(f"{TEXT}\n"),
        surmised=True,
    ),
)
