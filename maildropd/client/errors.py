# SPDX-License-Identifier: Apache-2.0
"""What may go wrong for somebody who submits mail: refused for good, or not now.

Whichever it is, nothing was sent.
"""


class SubmissionError(Exception):
    """The mail was not submitted.

    ``unsent`` are those to whom ``send_email`` has sent nothing, if it could
    send to others.
    """

    unsent: tuple[str, ...] = ()


class NotAccepted(SubmissionError):
    """The mail is refused, and would be again; nothing of it was sent.

    ``recipients`` are those who are the reason; none, if it is the mail itself.
    """

    def __init__(
        self,
        text: str,
        code: int = 554,
        status: str = "5.6.0",
        recipients: tuple[str, ...] = (),
    ) -> None:
        """Take what was said, and about whom."""
        super().__init__(text, code, status, recipients)
        self.text, self.code, self.status = text, code, status
        self.recipients = recipients

    @property
    def recipient(self) -> str | None:
        """The first of those who are the reason."""
        return self.recipients[0] if self.recipients else None

    def __str__(self) -> str:
        """Say all of it in one line."""
        who = f"{', '.join(self.recipients[:3])}: " if self.recipients else ""
        return f"{who}{self.code} {self.status} {self.text}"


class BadMessage(NotAccepted, ValueError):
    """What was handed over is no mail; the text says where, what, and what to do."""

    def __init__(self, where: str, what: str, advice: str) -> None:
        """Take the argument or header field, what is wrong, and what would be right."""
        super().__init__(f"{where}: {what} ({advice})")
        self.args = (where, what, advice)
        self.where, self.what, self.advice = where, what, advice

    def __str__(self) -> str:
        """Say it without a code: nobody was asked."""
        return self.text


class Unavailable(SubmissionError):
    """Neither the socket nor the drop took the mail; try again later."""
