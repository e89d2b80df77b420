# SPDX-License-Identifier: Apache-2.0
"""Which MaildropHost configuration files an object may use: zope.conf names them.

``DEFAULT`` is none of them: it stands for maildropd's own configuration.
"""

from collections.abc import MutableMapping
from pathlib import Path

from App.config import getConfiguration

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.settings import OF_CHOICE, Settings

DEFAULT = "DEFAULT"
DEFAULT_PATH = "/etc/maildrop/maildropd.conf"

_SECTION = "maildrophost"
_PREFIX = "config-path"
_ADDED = "maildrophost, added"  # no name that a section of zope.conf can have


def candidates() -> dict[str, str]:
    """Return the paths by their keys: of zope.conf, and added since."""
    products = _products()
    named = {
        key: path
        for key, path in products.get(_SECTION, {}).items()
        if key.startswith(_PREFIX)
    }
    return {DEFAULT: DEFAULT_PATH, **named, **products.get(_ADDED, {})}


def add(key: str, path: str) -> None:
    """Name one more, until this process ends; Zope keeps it, not we."""
    _products().setdefault(_ADDED, {})[key] = path


def chosen(key: str) -> str:
    """Return the path that stands for a key; raise what MaildropHost raised.

    ``ValueError`` if there is no such key or file, ``RuntimeError`` if the file
    does not say what it must.
    """
    path = candidates().get(key)
    if path is None:
        raise ValueError(f"Invalid path key {key}")
    if path == DEFAULT_PATH:
        return path
    if not Path(path).is_file():
        raise ValueError(f"Invalid config file path {path}")
    try:
        Settings.read(Path(path), OF_CHOICE)
    except Unreadable as error:
        raise RuntimeError(f"Invalid configuration file at {path}: {error}") from error
    return path


def settings(path: str) -> Settings | None:
    """Read a file; None for maildropd's own, and in place of one that is gone.

    Raise ``Unreadable`` for one that is there and says nothing of use.
    """
    if path == DEFAULT_PATH or not Path(path).exists():
        return None
    return Settings.read(Path(path), OF_CHOICE)


def _products() -> MutableMapping[str, dict[str, str]]:
    configuration = getConfiguration()
    if getattr(configuration, "product_config", None) is None:
        configuration.product_config = {}
    products: MutableMapping[str, dict[str, str]] = configuration.product_config
    return products
