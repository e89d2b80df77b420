# SPDX-License-Identifier: Apache-2.0
"""Debian's other mail systems, each as its own documents set up a null client.

All relay whatever comes to one smarthost, queue on disk first, and are started
as their units start them.  What is not named here is as Debian ships it.  They
run at the same time, so that each listens at an address of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.postfix import settings
from bench.sink import PORT

DOMAIN = "bench.example.org"
SENDMAIL = "/usr/sbin/sendmail"

Command = Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How one of them is set up, started, and called."""

    name: str
    package: str
    files: Mapping[str, str]
    prepared_by: Sequence[Command] = ()
    daemon: Command = ()  # nothing: every sendmail delivers what it queued
    door: str = ""  # what the daemon makes when it is ready
    syncs: str  # before sendmail ends
    piles: str = ""  # where mail is left that it does not deliver by itself
    smtp: str = ""  # for smtp-source


def postfix(host: str) -> Recipe:
    """Postfix, as bench/postfix.py has it, and an smtpd on loopback."""
    smtpd = "127.0.0.2:25 inet n - n - - smtpd"
    return Recipe(
        name="Postfix",
        package="postfix",
        files={},
        prepared_by=(
            ("postconf", "-e", *settings(host)),
            ("postconf", "-MX", "smtp/inet"),
            ("postconf", "-Me", f"127.0.0.2:25/inet={smtpd}"),
            ("postconf", "-F", "*/*/chroot=n"),
        ),
        daemon=("postfix", "start"),
        door="var/spool/postfix/public/pickup",
        syncs="its file, after its name",
        smtp="inet:127.0.0.2:25",
    )


_EXIM_NAME = f"MAIN_HARDCODE_PRIMARY_HOSTNAME={DOMAIN}\n"
_EXIM_SELF = "s/^  same_domain_copy_routing = yes/&\\n  self = send/"


def exim(host: str) -> Recipe:
    """Exim: README.Debian; it takes no smarthost on its own host without "self"."""
    answers = f"""\
dc_eximconfig_configtype='satellite'
dc_other_hostnames=''
dc_local_interfaces='127.0.0.3'
dc_readhost='{DOMAIN}'
dc_smarthost='{host}::{PORT}'
dc_use_split_config='false'
dc_hide_mailname='false'
dc_mailname_in_oh='true'
CFILEMODE='644'
"""
    return Recipe(
        name="Exim",
        package="exim4-daemon-light",
        files={
            "etc/exim4/update-exim4.conf.conf": answers,
            # Its handbook: without this each process asks the resolver for its name.
            "etc/exim4/exim4.conf.localmacros": _EXIM_NAME,
        },
        prepared_by=(
            ("sed", "-i", _EXIM_SELF, "/etc/exim4/exim4.conf.template"),
            ("update-exim4.conf",),
            ("install", "-d", "-oDebian-exim", "-gDebian-exim", "-m750", "/run/exim4"),
        ),
        daemon=("exim4", "-bd", "-q30m"),
        door="run/exim4/exim.pid",
        syncs="both its files, the directory",
    )


_AS_MAIL = ("setpriv", "--reuid=mail", "--regid=mail", "--clear-groups")
_TRIGGER = "/var/spool/nullmailer/trigger"


def nullmailer(host: str) -> Recipe:
    """nullmailer: its one file of configuration."""
    return Recipe(
        name="nullmailer",
        package="nullmailer",
        files={"etc/nullmailer/remotes": f"{host} smtp --port={PORT}\n"},
        prepared_by=(
            ("chown", "mail:mail", "/etc/nullmailer/remotes"),
            ("mkfifo", _TRIGGER),
            ("chown", "mail:root", _TRIGGER),
            ("chmod", "622", _TRIGGER),
        ),
        daemon=(*_AS_MAIL, "nullmailer-send"),
        syncs="its file, the directory",
    )


def dma(host: str, *, deferred: bool = False) -> Recipe:
    """dma: deferred, it only queues, and waits for ``dma -q``."""
    conf = f"SMARTHOST {host}\nPORT {PORT}\nMAILNAME /etc/mailname\nNULLCLIENT\n"
    return Recipe(
        name="dma, DEFER" if deferred else "dma",
        package="dma",
        files={"etc/dma/dma.conf": conf + ("DEFER\n" if deferred else "")},
        piles="var/spool/dma" if deferred else "",
        syncs="both its files, not their names",
    )


def opensmtpd(host: str) -> Recipe:
    """OpenSMTPD: the example of its manual page, smtpd.conf(5)."""
    conf = f"""\
listen on 127.0.0.4
action "relay" relay host smtp://{host}:{PORT}
match from local for any action "relay"
"""
    return Recipe(
        name="OpenSMTPD",
        package="opensmtpd",
        files={"etc/smtpd.conf": conf},
        daemon=("smtpd",),
        door="run/smtpd.sock",
        syncs="nothing",
    )


_LOCAL = "127.0.0.1"
POSTFIX = postfix(_LOCAL)
ALL = (
    POSTFIX,
    exim(_LOCAL),
    nullmailer(_LOCAL),
    dma(_LOCAL),
    dma(_LOCAL, deferred=True),
    opensmtpd(_LOCAL),
)
