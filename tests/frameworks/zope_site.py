# SPDX-License-Identifier: Apache-2.0
"""Pages of a site that sends mail, for the instance that the tests start."""

from typing import Any

from Products.Five.browser import BrowserView
from ZODB.POSException import ConflictError

MAIL = "From: app@example.org\nTo: %s\nSubject: %s\n\nA line.\n"


class _Sends(BrowserView):
    def send(self, name: str) -> None:
        host = getattr(self.context, self.request.get("host", "MailHost"))
        host.send(MAIL % (f"{name}@example.net", name))


class Once(_Sends):
    def __call__(self) -> str:
        self.send(self.request["name"])
        return "sent"


class Retried(_Sends):
    """Conflicts with somebody else, two times."""

    def __call__(self) -> str:
        self.send(self.request["name"])
        if self.request.retry_count < 2:
            raise ConflictError
        return f"sent after {self.request.retry_count} conflicts"


class Failing(_Sends):
    def __call__(self) -> Any:
        self.send(self.request["name"])
        raise RuntimeError("the request has failed")
