# SPDX-License-Identifier: Apache-2.0
"""A zc.buildout recipe in place of infrae.maildrophost: ``recipe = maildropd``.

The same options give the same maildrophost.cfg and the same control script;
what is behind the script is our daemon.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from difflib import get_close_matches
from pathlib import Path

import zc.buildout

from maildropd.foreign.errors import Unreadable
from maildropd.foreign.maildrophost.grammar import Value, parse
from maildropd.foreign.maildrophost.settings import VARIABLES
from maildropd.foreign.maildrophost.writing import write
from maildropd.integrations.buildout_control import LIBRARIES, advice, missing
from maildropd.integrations.buildout_script import script

_OPTIONS: Mapping[str, tuple[str, str]] = {
    "mail_dir": ("MAILDROP_HOME", "var/maildrop"),
    "spool_dir": ("MAILDROP_SPOOL", "${mail_dir}/spool"),
    "pid_file": ("MAILDROP_PID_FILE", "${mail_dir}/maildrop.pid"),
    "smtp_host": ("SMTP_HOST", "localhost"),
    "smtp_port": ("SMTP_PORT", "25"),
    "poll_interval": ("MAILDROP_INTERVAL", "120"),
    "batch": ("MAILDROP_BATCH", "0"),
    "tls": ("MAILDROP_TLS", "0"),
    "login": ("MAILDROP_LOGIN", ""),
    "password": ("MAILDROP_PASSWORD", ""),
    "wait_interval": ("WAIT_INTERVAL", "0.0"),
    "add_messageid": ("ADD_MESSAGEID", "0"),
    "supervised_daemon": ("SUPERVISED_DAEMON", "0"),
}
"""Each option with its variable and its default, in the order of the file."""

_PATHS = ("mail_dir", "spool_dir", "pid_file")
_TEXTS = frozenset((*_PATHS, "smtp_host", "login", "password"))
_OTHERS = frozenset(("recipe", "pool_interval", "maildrophost.cfg", "configuration"))
_FORMER = frozenset(("target", "url", "version"))  # of infrae.maildrophost 1


class Recipe:
    """One section of a buildout."""

    def __init__(
        self,
        buildout: Mapping[str, Mapping[str, str]],
        name: str,
        options: MutableMapping[str, str],
    ) -> None:
        """Set the defaults, so that other sections can refer to them."""
        self._buildout = buildout["buildout"]
        self._name = name
        self._options = options
        self._log = logging.getLogger(name)
        self._report_unknown()
        self._choose_interval()
        self._set_defaults()
        self._assigned = self._values()
        # All that an option says ends up in .installed.cfg, which others can read.
        options["password"] = ""

    def install(self) -> list[str]:
        """Write configuration and script; return both, and never the spool."""
        for each in (self._options["mail_dir"], *self._spools()):
            os.makedirs(each, exist_ok=True)
        config = Path(self._options["maildrophost.cfg"])
        try:
            write(config, self._assigned, "Made by buildout; changes are lost.")
        except (Unreadable, OSError) as error:
            raise zc.buildout.UserError(f"[{self._name}] {config}: {error}") from error
        made = Path(self._buildout["bin-directory"], self._name)
        script(made, self._executable, ("maildropd", *LIBRARIES), str(config))
        if names := missing():
            self._log.warning(advice(names))
        return [str(config), str(made)]

    def update(self) -> list[str]:
        """Do the same again: the file is made anew at each run."""
        return self.install()

    @property
    def _executable(self) -> str:
        return self._buildout.get("executable", sys.executable)

    def _spools(self) -> list[str]:
        return [each.strip() for each in self._options["spool_dir"].split(";")]

    def _report_unknown(self) -> None:
        known = {*_OPTIONS, *_OTHERS}
        for option in self._options:
            if option in _FORMER:
                self._log.warning("%s: was of use to version 1 only", option)
            elif option not in known and not option.startswith("_"):
                near = get_close_matches(option, known, n=1)
                hint = f" (is it {near[0]}?)" if near else ""
                self._log.warning("%s: is no option of this recipe%s", option, hint)

    def _choose_interval(self) -> None:
        """The one spelling was in the manual, the other in the code."""
        said = [self._options.get(each) for each in ("poll_interval", "pool_interval")]
        if None not in said and said[0] != said[1]:
            raise zc.buildout.UserError(
                f"[{self._name}] poll_interval is {said[0]}, and pool_interval is "
                f"{said[1]}: they mean the same, leave one out"
            )
        if said[1] is not None:
            self._options["poll_interval"] = said[1]

    def _set_defaults(self) -> None:
        directory, options = self._buildout["directory"], self._options
        for option, (_, default) in _OPTIONS.items():
            home = options.get("mail_dir", "")
            options.setdefault(option, default.replace("${mail_dir}", home))
        for option in _PATHS:
            parts = (part.strip() for part in options[option].split(";"))
            found = [os.path.join(directory, part) for part in parts if part]
            options[option] = ";".join(found)
        default = os.path.join(directory, "maildrophost.cfg")
        config = options.get("maildrophost.cfg") or options.get("configuration")
        options["maildrophost.cfg"] = os.path.join(directory, config or default)
        options["configuration"] = options["maildrophost.cfg"]

    def _values(self) -> dict[str, Value]:
        """Return the variables in the order that infrae.maildrophost wrote."""
        found = {name: self._value(option) for option, (name, _) in _OPTIONS.items()}
        head: dict[str, Value] = {"PYTHON": self._executable}
        for name in ("MAILDROP_HOME", "MAILDROP_VAR", "MAILDROP_SPOOL"):
            head[name] = found.pop(name, self._options["mail_dir"])
        for name in (
            "MAILDROP_PID_FILE",
            "SMTP_HOST",
            "SMTP_PORT",
            "MAILDROP_INTERVAL",
        ):
            head[name] = found.pop(name)
        return {**head, "DEBUG": 0, "DEBUG_RECEIVER": "", **found}

    def _value(self, option: str) -> Value:
        name, text = _OPTIONS[option][0], self._options[option]
        if option in _TEXTS:
            return text
        try:
            found = parse(f"{name}={text}", option)
            value = found[name][0] if len(found) == 1 else text
        except Unreadable:
            value = text
        if trouble := VARIABLES[name](value):
            shown = text.replace("\n", " ")
            raise zc.buildout.UserError(f"[{self._name}] {option} = {shown}: {trouble}")
        return value
