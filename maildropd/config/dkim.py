# SPDX-License-Identifier: Apache-2.0
"""``[dkim NAME]``: every key of a domain whose mail is signed, and its default.

See config/model.py for the other sections, and for how keys become fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SIGNED = (
    "from",
    "sender",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "to",
    "cc",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "in-reply-to",
    "references",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-post",
)
"""What RFC 6376 section 5.4.1 advises, as far as anybody writes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimConfig:
    """``[dkim NAME]``: a key, and the mail that is signed with it."""

    name: str
    domain: str = ""  # empty: the section's name
    subdomains: bool = False
    selector: str = "default"
    key_credential: str = ""  # empty: dkim-NAME, unless there is a key_file
    key_file: Path | None = None
    headers: tuple[str, ...] = SIGNED

    @property
    def real_credential(self) -> str:
        """The credential that holds the key, where it is in one."""
        return self.key_credential or f"dkim-{self.name}"

    @property
    def real_domain(self) -> str:
        """The domain that signs, as DNS has it."""
        return (self.domain or self.name).lower().removesuffix(".")


def complaints(section: DkimConfig) -> Iterator[tuple[str, str]]:
    """Yield the key, and what is wrong with it."""
    if "." not in section.real_domain:
        yield "domain", "has no default here (try the domain as the section's name)"
    if section.key_credential and section.key_file:
        yield "key_file", "and key_credential exclude each other"
    if "from" not in map(str.lower, section.headers):
        yield "headers", "lacks from, which is always signed"
