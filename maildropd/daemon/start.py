# SPDX-License-Identifier: Apache-2.0
"""From a command line to a running daemon, or to a clear reason why not."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from functools import partial

from maildropd import __version__
from maildropd.config.errors import ConfigErrors
from maildropd.config.model import Config
from maildropd.config.read import read
from maildropd.daemon.compose import House
from maildropd.daemon.engine import PatientJournal
from maildropd.daemon.maildrophost_log import Copying, MaildropHostLog
from maildropd.daemon.options import Options
from maildropd.host.clock import SystemClock
from maildropd.host.detach import AlreadyRunning, PidFile, detached
from maildropd.host.journal import open_journal
from maildropd.mail.errors import MailError, StoreRefused
from maildropd.mail.service_events import ServiceStarting, StoreTrouble


def run(options: Options) -> int:
    """Run the daemon to its end; return the exit code of the command.

    0: stopped when told to; 1: it could not start; 78 (EX_CONFIG of
    sysexits.h): the configuration is wrong, or the store is damaged or not
    ours, and a restart would not help.
    """
    try:
        if options.detach:
            return detached(partial(_serve, options), options.pid_file)
        # Without a file there is nothing to lock, and a supervisor knows the process.
        with PidFile(options.pid_file) if options.pid_file else nullcontext():
            return _serve(options, _nobody)
    except AlreadyRunning as error:
        return _refused(str(error), 1)
    except OSError as error:
        return _refused(f"cannot start: {error}", 1)


def _serve(options: Options, ready: Callable[[], None]) -> int:
    try:
        config = read(options.layout)
    except ConfigErrors as errors:
        return _refused(str(errors), os.EX_CONFIG)
    os.umask(0o077)
    with closing(open_journal(options.log_format, detached=options.detach)) as journal:
        starting = ServiceStarting(version=__version__, config=str(config.source))
        journal.emit(starting)
        with _also_theirs(config, journal) as told:
            try:
                house = House(options.layout, config, told)
            except MailError as error:
                journal.emit(StoreTrouble(reason=str(error)))
                code = _code(error)
                return _refused(str(error), code) if options.detach else code
            return _live(house, config, ready)


def _live(house: House, config: Config, ready: Callable[[], None]) -> int:
    with closing(house.store):
        try:
            service, control = house.service(config)
            asyncio.run(service.run(control, ready))
        except ConfigErrors as errors:
            return _refused(str(errors), os.EX_CONFIG)
        except MailError as error:
            return _refused(f"cannot start: {error}", _code(error))
    return 0


@contextmanager
def _also_theirs(config: Config, journal: PatientJournal) -> Iterator[PatientJournal]:
    """Have outcomes written in the form of another system, too, where that is asked."""
    path = config.daemon.maildrophost_log
    if path is None:
        yield journal
        return
    with closing(MaildropHostLog(path, journal, SystemClock())) as log:
        yield Copying(journal, log)


def _code(error: MailError) -> int:
    return os.EX_CONFIG if isinstance(error, StoreRefused) else 1


def _refused(text: str, code: int) -> int:
    sys.stderr.write(f"{text}\n")
    return code


def _nobody() -> None:
    """Nobody waits to hear that we are ready."""
