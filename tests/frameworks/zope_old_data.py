# SPDX-License-Identifier: Apache-2.0
"""Leaves an object in a Data.fs as MaildropHost left it; run as a program.

Nothing of ours is imported here: only the names and the state are theirs.
"""

import sys
from types import ModuleType
from typing import Any

import transaction
from Products.MailHost.MailHost import MailHost
from ZODB.DB import DB
from ZODB.FileStorage import FileStorage

OLD = "Products.MaildropHost"


def main(path: str, name: str) -> None:
    """Put the object into the root of the site."""
    module = ModuleType(f"{OLD}.MaildropHost")
    body = {"__module__": module.__name__}
    made: Any = type(MailHost)("MaildropHost", (MailHost,), body)
    module.MaildropHost = made  # type: ignore[attr-defined]  # as a module has
    sys.modules |= {OLD: ModuleType(OLD), module.__name__: module}
    old = made.__new__(made)
    old.__dict__.update(
        id=name,
        title="as it was",
        _transactional=True,
        config_path="/opt/zope/Products/MaildropHost/config",
        smtp_host="localhost",
        smtp_port=25,
        debug="Off",
        password="(not set)",
        spool="/tmp/maildrop/spool",
        maildrop_log_file="/tmp/maildrop/var/maildrop.log",
    )
    database = DB(FileStorage(path))
    app = database.open().root()["Application"]
    setattr(app, name, old)
    app._objects = (*app._objects, {"id": name, "meta_type": "Maildrop Host"})
    transaction.commit()
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
