# SPDX-License-Identifier: Apache-2.0
"""Old mail systems, as they lie on the disk of a host that has used them."""

import os

from tests.integration.guides import Host

USER, PASSWORD = "joe", "se'cr\"et"
MESSAGE = b"Subject: n%d\nTo: bob@example.net\n\nA line.\n.\n\xc3\xbc\n"


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
    """Its queue is empty; ``postqueue`` is a script that says so."""
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
    host.program("postqueue", "echo 'Mail queue is empty'")
