# SPDX-License-Identifier: Apache-2.0
"""A MaildropHost that sends nothing, and says what it would have sent."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from maildropd.integrations.zope.mailhost import MaildropHost

TEXT = "From: from@example.org\nTo: to@example.net\nSubject: s\n\nA line.\n"


class Recording(MaildropHost):
    """Takes down what it would hand over."""

    def __init__(self) -> None:
        super().__init__("MailHost")
        self.sent: list[tuple[str, list[str], bytes]] = []

    def _send(self, *handed_over: Any) -> None:
        self.sent.append(handed_over[:3])

    @property
    def message(self) -> EmailMessage:
        ((_, _, content),) = self.sent
        found = message_from_bytes(content, policy=default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def text(self) -> str:
        content: str = self.message.get_content()
        return content.replace("\r\n", "\n")

    @property
    def header(self) -> str:
        ((_, _, content),) = self.sent
        return content.partition(b"\r\n\r\n")[0].decode() + "\r\n"
