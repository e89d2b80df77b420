# SPDX-License-Identifier: Apache-2.0
"""The mails to root: what failed, how it stands, and what it logged.

A log may hold anything, and the name of a unit may be 255 characters long:
what a screen would act upon is escaped, and no value can become a header.
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from maildropd.notice.failure import Failure
from maildropd.notice.tally import Tally
from maildropd.notice.witness import ENTRIES, LOG_LIMIT, Log, matches

TO = "root"
_LISTED = 500  # units in one digest
_SUBJECT_LIMIT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found out about a unit."""

    state: str
    log: Log | None = None  # None: it failed before it could log
    restarts: int = 0


def first(failure: Failure, seen: Evidence, host: str, window: timedelta) -> bytes:
    """Return the mail about the first failure of a unit."""
    lines = [
        f"{failure.unit} on {host} failed: {failure.what}",
        f"at {_moment(failure.at)}{_restarts(seen)}.",
        "",
        f"More failures of this unit within {_span(window)} come in one digest.",
        *_evidence(failure, seen),
    ]
    subject = f"[{host}] {failure.unit} failed: {failure.what}"
    return _mail(subject, lines, host, failure.at)


def digest(tally: Tally, seen: Evidence, host: str, now: datetime) -> bytes:
    """Return the mail about the failures of a unit that none has told of yet."""
    many = _times(tally.count)
    lines = [
        f"{tally.unit} on {host} failed {many} since the last mail about it.",
        "",
        f"first: {_moment(tally.first)}",
        f"last:  {_moment(tally.latest.at)}{_restarts(seen)}",
        *(f"{_times(n)}: {what}" for what, n in _most(tally.results)),
        "",
        "What follows is about the last of them.",
        *_evidence(tally.latest, seen),
    ]
    subject = f"[{host}] {tally.unit} failed {many}: {tally.latest.what}"
    return _mail(subject, lines, host, now)


def together(
    tallies: Sequence[Tally], unrecorded: int, host: str, now: datetime
) -> bytes:
    """Return one mail about many units."""
    head = summary(tallies, unrecorded)
    lines = [
        f"{head} on {host}: too many for a mail each.",
        *(_table(tallies, unrecorded) if tallies else ()),
        "",
        "To see which units are failed now:",
        "    systemctl list-units --failed",
        "To see what one of them logged last:",
        "    journalctl --unit UNIT --lines 200",
    ]
    return _mail(f"[{host}] {head}", lines, host, now)


def summary(tallies: Sequence[Tally], unrecorded: int) -> str:
    """Return what has happened to many units, in a few words."""
    failures = sum(tally.count for tally in tallies) + unrecorded
    who = _units(len(tallies)) if tallies else "units beyond those on record"
    return f"{who} failed {_times(failures)}"


def harmless(text: str) -> str:
    """Escape all that is neither to be seen nor a line end, blank or tab."""
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    return "".join(
        c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text
    )


def _table(tallies: Sequence[Tally], unrecorded: int) -> Iterable[str]:
    yield from ("", "times  last                       unit: how it failed last")
    yield from map(_listed, tallies[:_LISTED])
    if (more := len(tallies) - _LISTED) > 0:
        yield f"... and {_units(more)} more"
    if unrecorded:
        yield f"... and {_times(unrecorded)} of units beyond those on record"


def _evidence(failure: Failure, seen: Evidence) -> Iterable[str]:
    unit = shlex.quote(failure.unit)
    yield from ("", "STATE", "", seen.state.strip("\n"), "")
    if seen.log is not None:
        yield from (f"LOG of this invocation ({failure.invocation})", "")
        if seen.log.cut:
            yield (
                "[there is more before: shown are the last "
                f"{ENTRIES} entries, and {LOG_LIMIT >> 10} KiB, at most]"
            )
        yield seen.log.text.strip("\n") or "[it logged nothing]"
        yield from ("", "To see all of it:")
        yield f"    journalctl {shlex.join(matches(failure.invocation))}"
    else:
        yield "It failed before it could log anything of its own."
    yield from ("To see how it is now, and what it logged before:",)
    yield f"    systemctl status -- {unit}"
    yield f"    journalctl --unit={unit}"


def _mail(subject: str, lines: Iterable[str], host: str, at: datetime) -> bytes:
    # Slow to import, and most failures are only counted.
    from email.headerregistry import Address  # noqa: PLC0415 - see above
    from email.message import EmailMessage  # noqa: PLC0415 - see above
    from email.utils import format_datetime  # noqa: PLC0415 - see above

    mail = EmailMessage()
    mail["From"] = Address(f"systemd on {_line(host)}", TO)
    mail["To"] = Address("", TO)
    mail["Subject"] = _line(subject)[:_SUBJECT_LIMIT]
    mail["Date"] = format_datetime(at.astimezone())
    mail["Auto-Submitted"] = "auto-generated"
    # Plain enough to be read in a raw mailbox, and no line is ever too long.
    text = harmless("\n".join(lines)) + "\n"
    mail.set_content(text, charset="utf-8", cte="quoted-printable")
    # In one piece: some programs take a folded subject for two.
    return mail.as_bytes(policy=mail.policy.clone(max_line_length=900))


def _line(text: str) -> str:
    """Return it for a header: visible ASCII, as the names of units are anyway."""
    return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text)


def _listed(tally: Tally) -> str:
    at = _moment(tally.latest.at)
    return f"{tally.count:5}  {at}  {tally.unit}: {tally.latest.what}"


def _most(results: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(results.items(), key=lambda pair: -pair[1])


def _restarts(seen: Evidence) -> str:
    times = _times(seen.restarts)
    return f", after it was restarted {times}" if seen.restarts else ""


def _moment(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def _span(window: timedelta) -> str:
    minutes, seconds = divmod(round(window.total_seconds()), 60)
    if seconds or not minutes:
        return f"{minutes * 60 + seconds}s"
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}min"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _units(number: int) -> str:
    return "1 unit" if number == 1 else f"{number} units"
