# SPDX-License-Identifier: Apache-2.0
"""Objects and scripts that know ``Products.MaildropHost`` find this one.

A database names the class of each object.  Before the first is loaded, the old
names stand for ours, unless MaildropHost itself is there.
"""

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import Products
from zope.interface import Interface

from maildropd.integrations.zope import mailhost

OLD = "Products.MaildropHost"

_CLASS = "MaildropHost"
_CONSTRUCTOR = "manage_addMaildropHost"


class IOldNames(Interface):
    """The directive has nothing to say but itself."""


def old_names(context: Any) -> None:
    """Take the old names when the configuration is carried out."""
    context.action(discriminator=(OLD, "names"), callable=take)


def take() -> None:
    """Take the old names, if nobody has them."""
    if OLD in sys.modules or find_spec(OLD) is not None:
        return
    package, module = ModuleType(OLD), ModuleType(f"{OLD}.{_CLASS}")
    package.__path__ = []
    for each in package, module:
        setattr(each, _CLASS, mailhost.MaildropHost)
        setattr(each, _CONSTRUCTOR, mailhost.manage_addMaildropHost)
        sys.modules[each.__name__] = each
    setattr(Products, _CLASS, package)


def add_constructors(ours: ModuleType) -> None:
    """Let ``manage_addProduct["MaildropHost"]`` add ours, if the name is ours."""
    package = getattr(Products, _CLASS, None)
    if package is not None and not hasattr(package, "__file__"):
        package.__FactoryDispatcher__ = ours.__FactoryDispatcher__
