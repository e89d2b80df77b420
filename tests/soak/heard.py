# SPDX-License-Identifier: Apache-2.0
"""What the daemon has said, counted; its own word is held against it."""

from collections import Counter
from collections.abc import Callable, Mapping
from time import monotonic

Event = Mapping[str, str]


class Heard:
    """Takes events in; one thread at a time."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self.kinds: Counter[str] = Counter()  # by their class's name
        self.accepted: Counter[str] = Counter()  # keys
        self.owners: dict[str, int] = {}  # uids by key, as the daemon saw them
        self.delivered: Counter[str] = Counter()  # recipients
        self.delivered_at: dict[str, float] = {}  # recipients: when, first
        self.in_doubt: Counter[str] = Counter()  # recipients
        self.failed: set[str] = set()  # recipients
        self.quarantined = 0
        self.left_alone: set[str] = set()  # file names, since the last start
        self.lost = 0  # events
        self.untidy = 0  # orphans that were found behind a stop in peace
        self._stopped = False  # in peace, and not ready again
        self.waiting: dict[str, str] = {}  # keys by queue id, as far as we know
        self._handlers: Mapping[str, Callable[[Event], None]] = {
            "MessageAccepted": self._accepted,
            "RecipientDelivered": self._delivered,
            "RecipientInDoubt": self._doubted,
            "RecipientFailed": self._failed,
            "RecipientExpired": self._failed,
            "MessageDone": self._gone,
            "MessageRemoved": self._gone,
            "MessageQuarantined": self._quarantined,
            "FileLeftAlone": self._left,
            "ServiceStarting": self._started,
            "JournalLagged": self._lagged,
            "ServiceStopped": self._stopped_in_peace,
            "ServiceReady": self._ready,
            "OrphansSwept": self._swept,
        }

    def add(self, kind: str, event: Event) -> None:
        """Take one in."""
        self.kinds[kind] += 1
        if handler := self._handlers.get(kind):
            handler(event)

    def killed(self) -> None:
        """What comes next is not behind a stop in peace."""
        self._stopped = False

    def _accepted(self, event: Event) -> None:
        if event.get("MAILDROP_SUBMITTER") == "bounce":
            return
        key = event.get("MAILDROP_MESSAGE_ID", "").strip("<>").partition("@")[0]
        self.accepted[key] += 1
        self.owners[key] = int(event.get("MAILDROP_SUBMITTER_UID", "-1"))
        self.waiting[event["MAILDROP_QUEUE_ID"]] = key

    def _delivered(self, event: Event) -> None:
        recipient = event["MAILDROP_RECIPIENT"]
        self.delivered[recipient] += 1
        self.delivered_at.setdefault(recipient, monotonic())

    def _doubted(self, event: Event) -> None:
        self.in_doubt[event["MAILDROP_RECIPIENT"]] += 1

    def _failed(self, event: Event) -> None:
        self.failed.add(event["MAILDROP_RECIPIENT"])

    def _gone(self, event: Event) -> None:
        self.waiting.pop(event["MAILDROP_QUEUE_ID"], None)

    def _quarantined(self, _: Event) -> None:
        self.quarantined += 1

    def _left(self, event: Event) -> None:
        self.left_alone.add(event["MAILDROP_FILE"])

    def _started(self, _: Event) -> None:
        self.left_alone.clear()

    def _lagged(self, event: Event) -> None:
        self.lost += int(event["MAILDROP_DROPPED"])

    def _stopped_in_peace(self, _: Event) -> None:
        self._stopped = True

    def _ready(self, _: Event) -> None:
        self._stopped = False

    def _swept(self, event: Event) -> None:
        self.untidy += int(event["MAILDROP_FILES"]) * self._stopped
