# SPDX-License-Identifier: Apache-2.0
"""A gate that stands open: whoever comes may pass, as he is."""

from collections.abc import Sequence
from pathlib import Path

from maildropd.config.model import QueueConfig
from maildropd.edge.parcel import Allowance
from maildropd.edge.spool.admission import Admission
from maildropd.mail.draft import Draft
from maildropd.mail.envelope import Submitter


class OpenGate:
    """Lets everybody in, within the limits of a queue."""

    def __init__(self, limits: QueueConfig | None = None) -> None:
        self._limits = limits or QueueConfig()

    def known(self, submitter: Submitter) -> Submitter:
        return submitter

    def may_speak_for_others(self, submitter: Submitter) -> bool:
        return submitter.uid == 0

    def own_address(self, submitter: Submitter) -> str:
        return f"uid{submitter.uid}@host.test"

    def full_name(self, submitter: Submitter) -> str:
        return ""

    def check_sender(self, reverse_path: str | None, submitter: Submitter) -> None:
        return

    def check_recipient(self, forward_path: str, submitter: Submitter) -> None:
        return

    def resolved(self, address: str, submitter: Submitter) -> Sequence[str]:
        return [address]

    def admit(self, draft: Draft, submitter: Submitter) -> Draft:
        return draft

    def undo(self, draft: Draft, submitter: Submitter) -> None:
        return

    def size_limit(self, submitter: Submitter) -> int:
        return self._limits.message_size_limit

    def recipient_limit(self, submitter: Submitter) -> int:
        return self._limits.recipient_limit

    def connection_limit(self, submitter: Submitter) -> int:
        return 100


def open_admission(folder: Path, limits: QueueConfig | None = None) -> Admission:
    """Return what lets every dropped file pass."""
    allowance = Allowance(1024 * 1024, folder)
    return Admission(gate=OpenGate(limits), allowance=allowance)
