# SPDX-License-Identifier: Apache-2.0
"""What happens to the service itself: its life, its spools, its store."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from maildropd.mail.event import Event, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStarting(Event):
    """The daemon has read its configuration and opens its store."""

    event_id: ClassVar[str] = "780d9db25af95c17acd344237e52144e"
    template: ClassVar[str] = "maildropd {version} starting with {config}"
    version: str
    config: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReady(Event):
    """Recovery is done; mail flows."""

    event_id: ClassVar[str] = "53617c50081c59aaada3b84e841f4fb3"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = (
        "ready, {queued} recipients queued, {taken_over} leases of a former "
        "run taken over"
    )
    queued: int
    taken_over: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDraining(Event):
    """Told to stop: mail in flight is finished first."""

    event_id: ClassVar[str] = "c6b0286fa82152408e6d02064c1f7529"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "stopping, {in_flight} deliveries in flight"
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStopped(Event):
    """Everything is at rest and on disk."""

    event_id: ClassVar[str] = "0091c18060a3581ebe44afee2b51d6a9"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "stopped, {queued} recipients queued"
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded(Event):
    """The new configuration is in force."""

    event_id: ClassVar[str] = "fd57e16d8c63595db84ee855ce568650"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "configuration {config} reloaded"
    config: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRefused(Event):
    """The new configuration is wrong; the old one stays in force."""

    event_id: ClassVar[str] = "35c312f0abae588cb4fd4b9406fc58be"
    priority: ClassVar[Priority] = Priority.ERROR
    template: ClassVar[str] = (
        "configuration refused, the old one stays in force: {reason}"
    )
    config: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolWatched(Event):
    """Mail dropped here will be taken."""

    event_id: ClassVar[str] = "edf7555f17c059e591efe15376a7d017"
    template: ClassVar[str] = "spool {spool}: watching {path} by {watch}"
    spool: str
    path: str
    watch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolUnreachable(Event):
    """The directory is missing or closed to us; it is looked for again and again."""

    event_id: ClassVar[str] = "a75ffc590f94570081db55aebd461c5c"
    priority: ClassVar[Priority] = Priority.ERROR
    template: ClassVar[str] = "spool {spool}: {path} cannot be watched ({reason})"
    spool: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorClosed(Event):
    """A socket cannot be listened at; mail comes in by the other ways."""

    event_id: ClassVar[str] = "0d5b7f7be9d94d0c8a6b3c11f2e4a796"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = "door {door}: {path} cannot be listened at ({reason})"
    door: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchDegraded(Event):
    """The kernel refuses inotify; the spool is polled instead."""

    event_id: ClassVar[str] = "4987a8c23b2654c888d694a15773e0ee"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = "spool {spool}: {path} is polled only ({reason})"
    spool: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockAbandoned(Event):
    """A mail stayed locked for too long: its writer never finished it."""

    event_id: ClassVar[str] = "7ba8e6c1b99f56399ad77bb4ac0c3985"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = "spool {spool}: {file}: locked for too long ({reason})"
    spool: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderGone(Event):
    """Another program began to send a mail of a Maildir, and was not heard of since."""

    event_id: ClassVar[str] = "d9e86a194492fd85ebec9fac6f92f0c0"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "spool {spool}: {file}: taken over ({reason})"
    spool: str
    file: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTrouble(Event):
    """The store refuses to work; nothing is accepted or delivered meanwhile."""

    event_id: ClassVar[str] = "e63a78fb14ba56cca00ebfca5b7fea27"
    priority: ClassVar[Priority] = Priority.CRITICAL
    template: ClassVar[str] = "store: {reason}"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRecovered(Event):
    """The store works again."""

    event_id: ClassVar[str] = "242aa82af50d5d8c9f2467c14cc68709"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "store: works again after {delay} s"
    delay: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreMigrated(Event):
    """The store was brought to this version's form."""

    event_id: ClassVar[str] = "7d185397330859ba8ed5c5117aa74b2b"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "store {path}: migrated from schema {old} to {new}"
    path: str
    old: int
    new: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphansSwept(Event):
    """Content without a message, left by a crash, was removed."""

    event_id: ClassVar[str] = "a35c3922555c59699208dadc00b234d5"
    priority: ClassVar[Priority] = Priority.NOTICE
    template: ClassVar[str] = "store: {files} orphaned content files removed"
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalLagged(Event):
    """Events could not be written for a while; this many are missing."""

    event_id: ClassVar[str] = "0e022be6e0775910bace784407a16868"
    priority: ClassVar[Priority] = Priority.WARNING
    template: ClassVar[str] = (
        "{dropped} events were lost while the journal did not listen"
    )
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(Event):
    """A bug of ours; the mail is kept and tried again."""

    event_id: ClassVar[str] = "e08f5e94d3f45cc58e3dd35f4bb1a102"
    priority: ClassVar[Priority] = Priority.ERROR
    template: ClassVar[str] = "bug in {where}: {error}"
    where: str
    error: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStuck(Event):
    """A part of the daemon hangs; systemd will restart it."""

    event_id: ClassVar[str] = "0b5d5d2cdd6f5e1d8f0e3f6ad1f6b9c2"
    priority: ClassVar[Priority] = Priority.CRITICAL
    template: ClassVar[str] = "no progress in {loops}, the watchdog is not fed"
    loops: str
