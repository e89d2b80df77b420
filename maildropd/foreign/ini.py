# SPDX-License-Identifier: Apache-2.0
"""Files in the manner of Python's configparser, read with the line of each value.

A ``%`` that means nothing to configparser is taken as it stands: there it was
an error, and nobody thinks of that when a password has one.
"""

import configparser
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from maildropd.foreign import files
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.said_there import SaidThere

_SECTION = re.compile(r"\[([^]]+)\]")
_OPTION = re.compile(r"([^\s=:#;\[][^=:]*?)\s*[=:]")


class Ini:
    """One file, as it was read."""

    def __init__(self, path: Path, *, comments_in_line: bool = False) -> None:
        """Read it; raise ``Unreadable``.

        A comment within a line there was in the configparser of Python 2 only.
        """
        self.path = path
        text = files.text(path).replace("\r\n", "\n")
        if comments_in_line:
            text = "\n".join(map(_without_comment, text.split("\n")))
        self._places = _places(text)
        self._parser = configparser.ConfigParser(
            strict=False, default_section="DEFAULT"
        )
        try:
            self._parser.read_string(text)
        except configparser.Error as error:
            line = getattr(error, "lineno", None)
            raise Unreadable(
                f"{path}:{line}" if line else str(path), _reason(error)
            ) from None  # the line that is wrong may be half of a password

    def sections(self) -> Sequence[str]:
        """Return their names, in order."""
        return self._parser.sections()

    def place(self, section: str, option: str = "") -> str:
        """Return where a section, or an option in it, stands."""
        for key in ((section, option), ("DEFAULT", option), (section, "")):
            if line := self._places.get(key):
                return f"{self.path}:{line}"
        return str(self.path)

    def options(self, section: str) -> Mapping[str, SaidThere]:
        """Return what a section says, in lower case; raise ``KeyError``."""
        return {
            option: SaidThere(
                value=self._value(section, option), where=self.place(section, option)
            )
            for option in self._parser[section]
        }

    def _value(self, section: str, option: str) -> str:
        try:
            return self._parser.get(section, option)
        except configparser.InterpolationError:
            return self._parser.get(section, option, raw=True)


def _without_comment(line: str) -> str:
    """Cut a line as Python 2 did: at its first ``;``, if a blank stands before.

    It looked for the blank by an index, which at 0 is that of the last sign.
    """
    if header := _SECTION.match(line):
        return header[0]
    if option := _OPTION.match(line):
        value = line[option.end() :].lstrip()
        at = value.find(";")
        if at >= 0 and value[at - 1].isspace():
            return line[: option.end()] + value[:at]
    return line


def _places(text: str) -> Mapping[tuple[str, str], int]:
    """Return the line of each section and of each option; the last one counts."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := _SECTION.match(line):
            section = header[1]
            found.setdefault((section, ""), number)
        elif option := _OPTION.match(line):
            found[section, option[1].lower()] = number
    return found


def _reason(error: configparser.Error) -> str:
    if isinstance(error, configparser.MissingSectionHeaderError):
        return "a line before the first [section]"
    return "a line that is no NAME = VALUE"
