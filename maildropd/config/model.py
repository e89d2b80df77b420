# SPDX-License-Identifier: Apache-2.0
"""Every key an administrator can set, and the only place of its default.

A section of maildropd.conf is a class here, a key is a field, and its type
says how the value is read (config/values.py).  docs/man/maildropd.conf.5 says
what each is for; tests hold manual, sample and this page together.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import NewType

from maildropd.config.dkim import DkimConfig
from maildropd.config.rate import Rate
from maildropd.config.relay import RelayConfig
from maildropd.config.routes import RouteConfig
from maildropd.mail.envelope import Priority

Size = NewType("Size", int)
"""Octets; written with a unit, ``25M``."""


ByteRate = NewType("ByteRate", Rate)
"""Octets in a stretch of time; written ``50M/d``."""


class Otherwise(StrEnum):
    """What happens to mail in a name that its submitter may not use."""

    REWRITE = "rewrite"  # it goes out in the submitter's own
    REFUSE = "refuse"


class Watch(StrEnum):
    """How new files in a spool are noticed."""

    INOTIFY = "inotify"  # falls back to polling when the kernel refuses
    POLL = "poll"


class Form(StrEnum):
    """What a spool is to its writers."""

    DROP = "drop"  # one directory, files in the forms of maildropd(8)
    MAILDIR = "maildir"  # as zope.sendmail and repoze.sendmail queue mail


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonConfig:
    """``[daemon]``: the process itself."""

    state_directory: Path
    runtime_directory: Path
    hostname: str = ""  # empty: the host's own fully qualified name
    drain_timeout: timedelta = timedelta(seconds=30)
    maildrophost_log: Path | None = None  # outcomes in that form, for its readers


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """``[queue]``: how long, how often, how much."""

    message_size_limit: Size = Size(25 * 1024 * 1024)
    recipient_limit: int = 10_000
    disk_reserve: Size = Size(16 * 1024 * 1024)
    first_retry: timedelta = timedelta(minutes=5)
    slowest_retry: timedelta = timedelta(hours=4)
    delay_warning: timedelta = timedelta(hours=4)  # 0: none
    give_up_after: timedelta = timedelta(days=5)
    relay: str = ""  # the [relay NAME] that takes all mail; empty: the only one
    mx_domains: int = 200  # served at a time by servers of their own
    capture_all: Path | None = None  # a Maildir that takes all mail: nothing gets out


@dataclass(frozen=True, slots=True, kw_only=True)
class BouncesConfig:
    """``[bounces]``: what senders are told of mail that fails."""

    return_limit: Size = Size(50 * 1024)  # of RET=FULL; beyond, the header alone
    hourly_limit: int = 50  # reports to one address; the rest comes in one
    double_bounces_to: str = ""  # empty: they stay in the queue as failed


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionConfig:
    """``[submission]``: the sockets, and what their users may do."""

    socket: Path
    sendmail_socket: Path
    gateways: tuple[str, ...] = ("_maildrop-smtp",)  # may say XCLIENT
    trusted: tuple[str, ...] = ("_maildrop-notify",)  # in any name, as root
    check_senders: bool = True
    otherwise: Otherwise = Otherwise.REWRITE
    max_connections: int = 400
    connections_per_user: int = 100
    idle_timeout: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamesConfig:
    """``[names]``: whose mail is local, and where it goes."""

    domain: str = ""  # for bare names; empty: the host's own name
    local_names: tuple[str, ...] = ()  # beside the host's own, domain and localhost
    aliases: Path = Path("/etc/aliases")
    aliases_may_run: bool = False
    local_to: str = ""  # empty: as addressed
    rewrite_from: str = ""  # user@domain or @domain, for senders at our names
    forward_map: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitterConfig:
    """``[submitter NAME]``: who it is, and what he may; the first that fits counts."""

    name: str
    uid: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    network: tuple[str, ...] = ()
    spool: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()  # beside his own; * is any
    otherwise: Otherwise | None = None  # as [submission] says
    message_quota: Rate | None = None
    byte_quota: ByteRate | None = None
    connections: int = 0  # 0: as [submission] says
    message_size_limit: Size = Size(0)  # 0: as [queue] says, for both
    recipient_limit: int = 0
    priority: Priority = Priority.NORMAL
    relay: str = ""
    redirect_to: str = ""
    capture: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolConfig:
    """``[spool NAME]``: a directory in which programs leave mail."""

    name: str
    path: Path
    quarantine: Path
    form: Form = Form.DROP
    watch: Watch = Watch.INOTIFY
    poll_interval: timedelta = timedelta(seconds=60)
    settle_time: timedelta = timedelta(seconds=5)
    lock_expiry: timedelta = timedelta(days=1)
    sending_expiry: timedelta = timedelta(hours=3)  # of a Maildir
    verp: bool = False
    hold: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All that was said, in one value; replaced whole by a reload."""

    source: Path
    daemon: DaemonConfig
    submission: SubmissionConfig
    queue: QueueConfig = field(default_factory=QueueConfig)
    bounces: BouncesConfig = field(default_factory=BouncesConfig)
    names: NamesConfig = field(default_factory=NamesConfig)
    submitters: tuple[SubmitterConfig, ...] = ()
    spools: tuple[SpoolConfig, ...] = ()
    routes: tuple[RouteConfig, ...] = ()  # in their order
    relay: RelayConfig = field(default_factory=lambda: RelayConfig(name="smarthost"))
    relays: tuple[RelayConfig, ...] = ()  # all of them, that one included
    dkim: tuple[DkimConfig, ...] = ()
