# SPDX-License-Identifier: Apache-2.0
"""The product: what Zope lists under "Add", and who may add it."""

from typing import Any

from AccessControl.Permissions import add_mailhost_objects
from Products.PageTemplates.PageTemplateFile import PageTemplateFile

from maildropd.integrations import zope as package
from maildropd.integrations.zope import old
from maildropd.integrations.zope.mailhost import (
    MaildropHost,
    manage_addMaildropHost,
)


def initialize(context: Any) -> None:
    """Register the class under the permission and the names of MaildropHost."""
    form = PageTemplateFile("zmi/add.zpt", globals(), __name__="addMaildropHostForm")
    context.registerClass(
        MaildropHost,
        permission=add_mailhost_objects,
        constructors=(form, manage_addMaildropHost),
    )
    old.add_constructors(package)
