# SPDX-License-Identifier: Apache-2.0
"""Old mail systems, as they lie on the disk of a host that has used them."""

import os
import subprocess
import sys

from tests.integration.guides import Host

USER, PASSWORD = "joe", "se'cr\"et"
MESSAGE = b"Subject: n%d\nTo: bob@example.net\n\nA line.\n.\n\xc3\xbc\n"


OLD_DAEMON = "import signal; signal.pause()"
LOCKED, BROKEN, ALL = 100, 20, 1000


def maildrophost(host: Host) -> None:
    """A thousand mails: a hundred are locked, twenty are broken; its daemon runs."""
    home = host.path("/srv/zope/maildrop")
    host.write(
        "/srv/zope/maildrophost/config",
        f'PYTHON="/usr/bin/python"\nMAILDROP_HOME="{home}"\nSMTP_HOST="127.0.0.1"\n'
        f"SMTP_PORT={host.port}\nMAILDROP_INTERVAL=120\nDEBUG=0\nMAILDROP_BATCH=0\n"
        f'MAILDROP_TLS=0\nMAILDROP_LOGIN="{USER}"\n'
        f"MAILDROP_PASSWORD='{PASSWORD.replace(chr(39), chr(92) + chr(39))}'\n"
        "WAIT_INTERVAL=0.0\nSUPERVISED_DAEMON=0\n",
    )
    host.write(
        "/srv/zope/maildrop/var/maildrop.log", "### Started at 2009/10/09 10:00:00\n"
    )
    for number in range(ALL - BROKEN):
        head = b"##To:r%d@example.net\n##From:app@example.org\n" % number
        host.write(
            f"/srv/zope/maildrop/spool/{100_000 + number}", head + MESSAGE % number
        )
    for number in range(LOCKED):
        host.write(f"/srv/zope/maildrop/spool/{100_000 + number * 9}.lck", "locked")
    for number in range(BROKEN):
        broken = (b"no mail\n", b"##To\n", b"##To:a@x\n", b"##To:\n\nhi\n")[number % 4]
        host.write(f"/srv/zope/maildrop/spool/broken{number}", broken)
    daemon = subprocess.Popen([sys.executable, "-c", OLD_DAEMON, "maildrop.py"])
    host.running.append(daemon)
    host.write("/srv/zope/maildrop/var/maildrop.pid", f"{daemon.pid}")


def gs_email(host: Host) -> None:
    """Twenty mails wait, three of them stuck; five were refused, three are broken."""
    host.write(
        "/srv/gs/etc/gsconfig.ini",
        "[config-default]\nsmtp = main\n[smtp-main]\nhostname = 127.0.0.1\n"
        f"port = {host.port}\nusername = {USER}\npassword = {PASSWORD}\n"
        f"no_tls = True\nqueuepath = {host.path('/srv/gs/mailqueue')}\n"
        "processorthread = True\n",
    )
    head = b"X-Zope-From: app@example.org\nX-Zope-To: r%d@example.net, \n"
    for number in range(25):
        refused = ".rejected-" if number >= 20 else ""
        name = f"/srv/gs/mailqueue/new/{refused}17000000{number:02}.7.h1.42"
        file = host.write(name, head % number + MESSAGE % number)
        if number < 3:
            mark = file.with_name(f".sending-{file.name}")
            mark.hardlink_to(file)
            os.utime(mark, (1_700_000_000, 1_700_000_000))
    for number, octets in enumerate((b"", b"X-Zope-From: a@x\n\nhi\n", head % 1)):
        host.write(f"/srv/gs/mailqueue/new/broken{number}", octets)
    for part in ("cur", "tmp"):
        host.path(f"/srv/gs/mailqueue/{part}").mkdir()


def queue_ini(host: Host, system: str) -> str:
    """Return the file that zope-sendmail, or qp, was given with --config."""
    section = "app:zope-sendmail" if system == "zope.sendmail" else "app:qp"
    return (
        f"[{section}]\nhostname = 127.0.0.1\nport = {host.port}\n"
        f"username = {USER}\npassword = {PASSWORD}\nno_tls = true\n"
        f"queue_path = {host.path('/srv/gs/mailqueue')}\n"
    )


def nullmailer(host: Host) -> None:
    """Twenty mails wait, five have failed, three are broken."""
    password = PASSWORD.replace('"', '\\"')
    host.write(
        "/etc/nullmailer/remotes",
        f'127.0.0.1 smtp port={host.port} user={USER} pass="{password}"\n',
    )
    host.write("/etc/mailname", "h1.example.org\n")
    host.write("/etc/nullmailer/adminaddr", "ops@example.org\n")
    for number in range(20):
        head = b"a@example.org\nr%d@example.net\n\n" % number
        queue = f"/var/spool/nullmailer/queue/17000000{number:02}.1"
        host.write(queue, head + MESSAGE % number)
    for number in range(5):
        head = b"\nf%d@example.net\n\n" % number
        failed = f"/var/spool/nullmailer/failed/16000000{number:02}.1"
        host.write(failed, head + MESSAGE % number)
    for number, octets in enumerate((b"", b"a@x\n", b"a@x\n\n\nhi\n")):
        host.write(f"/var/spool/nullmailer/queue/broken{number}", octets)


def msmtp(host: Host) -> None:
    """Somebody has used msmtpq; three pairs of files are no pairs."""
    host.write(
        "/etc/msmtprc",
        f"defaults\nlogfile ~/.msmtp.log\n\naccount default\nhost 127.0.0.1\n"
        f"port {host.port}\nauth plain\nuser {USER}\npassword {PASSWORD}\n",
    )
    queue = "/home/alice/.msmtp.queue"
    for number in range(20):
        name = f"{queue}/2026-11-28-13.00.{number:02}"
        host.write(f"{name}.mail", MESSAGE % number)
        host.write(f"{name}.msmtp", f"-f alice@example.org -- r{number}@example.net\n")
    host.write(f"{queue}/half.mail", MESSAGE % 1)
    host.write(f"{queue}/other.msmtp", "r1@example.net\n")
    host.write(f"{queue}/nobody.mail", MESSAGE % 2)
    host.write(f"{queue}/nobody.msmtp", "-f alice@example.org\n")


def ssmtp(host: Host) -> None:
    """It has no queue."""
    host.write(
        "/etc/ssmtp/ssmtp.conf",
        f"# Debian's\nroot=ops@example.org\nmailhub=127.0.0.1:{host.port}\n"
        f"rewriteDomain=example.org\nhostname=h1.example.org\n"
        f"AuthUser={USER}\nAuthPass={PASSWORD}\n",
    )


def dma(host: Host) -> None:
    """Two recipients of each of ten messages wait; three halves of pairs are left."""
    auth = host.write("/etc/dma/auth.conf", f"{USER}|127.0.0.1:{PASSWORD}\n")
    name = host.write("/etc/mailname", "h1.example.org\n")
    host.write(
        "/etc/dma/dma.conf",
        f"# Debian's\nSMARTHOST 127.0.0.1\nPORT {host.port}\nAUTHPATH {auth}\n"
        f"INSECURE\nMAILNAME {name}\n",
    )
    for number in range(10):
        content = host.write(f"/var/spool/dma/M{number}.a0", MESSAGE % number)
        os.link(content, content.with_name(f"M{number}.a1"))
        for part in range(2):
            said = f"ID: {number}.a{part}\nSender: a@example.org\n"
            said += f"Recipient: r{number}{part}@example.net\n"
            host.write(f"/var/spool/dma/Q{number}.a{part}", said)
    host.write("/var/spool/dma/M99.a0", MESSAGE % 99)
    host.write("/var/spool/dma/Q98.a0", "ID: 98.a0\nSender: a@x\nRecipient: b@x\n")
    host.write("/var/spool/dma/Q97.a0", "ID: 97.a0\n")


def postfix(host: Host) -> None:
    """Twenty mails wait, five are on hold, three are not whole."""
    table = host.write(
        "/etc/postfix/sasl_passwd", f"[127.0.0.1]:{host.port} {USER}:{PASSWORD}\n"
    )
    name = host.write("/etc/mailname", "h1.example.org\n")
    host.write(
        "/etc/postfix/main.cf",
        "compatibility_level = 3.6\nmyhostname = h1.example.org\n"
        f"myorigin = {name}\nmydestination =\ninet_interfaces = loopback-only\n"
        f"relayhost = [127.0.0.1]:{host.port}\nsmtp_sasl_auth_enable = yes\n"
        f"smtp_sasl_password_maps = hash:{table}\n"
        "smtp_sasl_security_options = noanonymous\n",
    )
    spool = "/var/spool/postfix"
    for number in range(28):
        mail = records(
            *((b"S", b"a@example.org"), (b"D", b"done@example.net")),
            *((b"R", b"r%d@example.net" % number), (b"M", b"")),
            *((b"N", line) for line in (MESSAGE % number).splitlines()),
            *((b"X", b""), (b"E", b"")),
        )
        identity = f"{number % 10}{number:07X}"
        queue = "hold" if 20 <= number < 25 else f"deferred/{identity[0]}"
        path = host.write(
            f"{spool}/{queue}/{identity}", mail[: -2 if number > 24 else None]
        )
        path.chmod(0o700)
        host.write(
            f"{spool}/defer/{identity[0]}/{identity}", "<r@example.net>: refused\n"
        )


def records(*them: tuple[bytes, bytes]) -> bytes:
    """Return a file of Postfix's queue."""
    return b"".join(kind + _length(len(data)) + data for kind, data in them)


def _length(number: int) -> bytes:
    octets = [number & 127]
    while number := number >> 7:
        octets[-1] |= 128
        octets.append(number & 127)
    return bytes(octets)
