# SPDX-License-Identifier: Apache-2.0
"""A MailHost whose mail goes to maildropd, with the calls of MaildropHost.

It leaves when the transaction commits.  What a request that failed, or was tried
again, has sent was never sent.
"""

from contextlib import suppress
from dataclasses import fields
from email.message import Message
from inspect import signature
from typing import Any
from urllib.parse import quote

from AccessControl.Permissions import change_configuration, use_mailhost_services
from AccessControl.SecurityInfo import ClassSecurityInfo
from Acquisition import aq_base
from Products.MailHost.MailHost import MailHost, MailHostError
from Products.PageTemplates.PageTemplateFile import PageTemplateFile

from maildropd.api import Door, NotAccepted, prepare, stage, submit
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.settings import Settings
from maildropd.integrations import transactions
from maildropd.integrations.zope import configs, shown
from maildropd.integrations.zope.letter import Said, Wishes, letter


class MaildropHost(MailHost):
    """A mail host that hands mail to maildropd."""

    meta_type = "Maildrop Host"
    security = ClassSecurityInfo()
    _transactional = True  # of objects older than that choice, too
    config_path = configs.DEFAULT_PATH

    manage = manage_main = PageTemplateFile(
        "zmi/edit.zpt", globals(), __name__="manage_main"
    )
    manage_log = PageTemplateFile("zmi/log.zpt", globals(), __name__="manage_log")
    security.declareProtected(change_configuration, "manage", "manage_main")
    security.declareProtected(change_configuration, "manage_log")
    manage_options = (
        {"label": "Edit", "action": "manage_main"},
        {"label": "Maildrop Log", "action": "manage_log"},
        *MailHost.manage_options[1:],
    )

    def __init__(self, id: str = "", title: str = "Maildrop Host") -> None:
        """Send through maildropd's own configuration, with the transaction."""
        self.id = id
        self.title = title

    # Sending.

    @security.protected(use_mailhost_services)
    def send(
        self, messageText: str | bytes | Message, *arguments: Any, **named: Any
    ) -> None:
        # mto, mfrom, subject, encode, immediate, charset, msg_type: as a MailHost.
        asked = signature(MailHost.send).bind(self, messageText, *arguments, **named)
        names = [each.name for each in fields(Wishes)]
        wishes = Wishes(**{name: asked.arguments.get(name) for name in names})
        made = letter(messageText, wishes)
        self._send(made.sender, list(made.recipients), made.content)

    scheduledSend = send
    security.declareProtected(use_mailhost_services, "scheduledSend")

    @security.protected(use_mailhost_services)
    def simple_send(
        self, mto: Said, mfrom: Said, subject: Said, body: str, immediate: bool = False
    ) -> None:
        # The three are no header: a line end in one of them starts no other field.
        self.send(f"\n{body}", mto, mfrom, subject, immediate=immediate)

    simpleSend = simple_send
    security.declareProtected(use_mailhost_services, "simpleSend")

    @security.private
    def _send(
        self, mfrom: str, mto: Any, messageText: bytes, immediate: bool = False
    ) -> None:
        """Hand over one message; where others change what is sent."""
        settings = self._settings()
        if settings and settings.debug_receiver:
            mto = settings.debug_receiver
        door = Door(drop=settings.spools[0]) if settings else None
        try:
            if self.isTransactional():
                transactions.send(messageText, mfrom, mto, door=door)
            elif door:
                # Its socket leads past what the daemon says of this spool.
                stage([prepare(messageText, mfrom, mto)], door).release()
            else:
                submit(messageText, mfrom, mto)
        except NotAccepted as error:
            raise MailHostError(str(error)) from error

    # The calls of MaildropHost.

    @security.protected(change_configuration)
    def isTransactional(self) -> bool:
        # Does mail wait for the end of the transaction?
        return bool(self._transactional)

    @security.protected(change_configuration)
    def manage_makeChanges(
        self,
        title: str,
        transactional: Any = False,
        path_key: str | None = None,
        REQUEST: Any = None,
        **ignored: Any,
    ) -> Any:
        """Change the properties; none of them, if the configuration is of no use."""
        try:
            if path_key:  # "" is what the form says for one that is no candidate
                self.setConfigPath(path_key)
        except (ValueError, RuntimeError) as error:
            if REQUEST is None:
                raise
            return self.manage_main(
                manage_tabs_message=str(error), manage_tabs_type="danger"
            )
        self.title = title
        self._transactional = bool(transactional)
        if REQUEST is None:
            return None
        return self.manage_main(manage_tabs_message=f'MaildropHost "{self.id}" updated')

    @security.protected(change_configuration)
    def getConfigPath(self) -> str:
        # The path of the file that is in use.
        return str(aq_base(self).config_path)

    @security.protected(change_configuration)
    def setConfigPath(self, path_key: str) -> None:
        # Use another file; the old one stays if this raises.
        self.config_path = configs.chosen(path_key)

    @security.protected(change_configuration)
    def addConfigPath(self, path_key: str, path: str) -> None:
        # Name one more file to choose from, until Zope ends.
        configs.add(path_key, path)

    @security.protected(change_configuration)
    def getCandidateConfigPaths(self) -> tuple[tuple[str, str], ...]:
        # Keys and paths, sorted.
        return tuple(sorted(configs.candidates().items()))

    @security.protected(change_configuration)
    def getLog(self, max_bytes: int = 50000) -> str:
        # The end of the log, its newest line first.
        settings = self._understood()
        return shown.newest(settings.log_file, max_bytes) if settings else ""

    @security.protected(change_configuration)
    def getSettings(self) -> list[dict[str, str]]:
        # What the page shows, secrets left out.
        return shown.rows(self.getConfigPath())

    @security.private
    def _settings(self) -> Settings | None:
        """Return what the chosen file says now; None for maildropd's own.

        Raise ``MailHostError`` for a file that says nothing of use: mail that
        went another way could be mail that nobody wanted sent.
        """
        try:
            return configs.settings(self.getConfigPath())
        except Unreadable as error:
            raise MailHostError(str(error)) from error

    @security.private
    def _understood(self) -> Settings | None:
        """Return the same for those who only look, and want no error."""
        found: Settings | None = None
        with suppress(MailHostError):
            found = self._settings()
        return found

    # What a MailHost shows of its own queue is told of maildropd's.

    @property
    def smtp_host(self) -> str:
        """The server, for programs that ask whether there is one."""
        settings = self._understood()
        return settings.smtp_host if settings else "localhost"

    @smtp_host.setter
    def smtp_host(self, _said: object) -> None:
        """Let programs that set one up for others say it; the file decides."""

    @property
    def smtp_port(self) -> int:
        """Its port."""
        settings = self._understood()
        return settings.smtp_port if settings else 25

    @smtp_port.setter
    def smtp_port(self, _said: object) -> None:
        """Let them say that, too."""

    @security.protected(change_configuration)
    def queueLength(self) -> int | str:
        # How many recipients wait.
        status = shown.status()
        return "n/a - maildropd does not answer" if status is None else status.waiting

    @security.protected(change_configuration)
    def queueThreadAlive(self) -> bool:
        # Does maildropd answer?
        return shown.status() is not None

    @security.protected(change_configuration)
    def queueNonDeliveryMode(self) -> bool:
        # maildropd holds mail where its own configuration says so.
        return False

    @security.protected(change_configuration)
    def manage_restartQueueThread(
        self, action: str = "start", REQUEST: Any = None
    ) -> None:
        # systemd starts and stops maildropd, and no thread of Zope's.
        raise ValueError(f"Unsupported action {action}: maildropd is no thread of Zope")


def manage_addMaildropHost(
    container: Any, id: str, title: str = "Maildrop Host", REQUEST: Any = None
) -> None:
    """Add a MaildropHost."""
    container._setObject(id, MaildropHost(id, title))
    if REQUEST is not None:
        said = quote("Added MaildropHost.")
        url = f"{container.absolute_url()}/{quote(id)}/manage_main"
        REQUEST["RESPONSE"].redirect(f"{url}?manage_tabs_message={said}")
