# SPDX-License-Identifier: Apache-2.0
"""GroupServer's etc/gsconfig.ini: instances, their components, and sets of options.

``[config-main]`` with ``smtp = local`` gives the instance main the set in
``[smtp-local]``.  The manual of gs.email has ``[smtp-main]`` alone; that counts
where no instance says otherwise.
"""

from collections.abc import Mapping
from pathlib import Path

from maildropd.foreign.gs_schema import (
    SMTP,
    FileUnreadable,
    NoSchema,
    NoSection,
    NoSuchSet,
    PathUnreadable,
    Schema,
    Value,
)
from maildropd.foreign.imported import Imported
from maildropd.foreign.ini import Ini
from maildropd.foreign.page import Page
from maildropd.foreign.queue_settings import Settings, describe
from maildropd.foreign.said_there import SaidThere

_INSTANCE, _SMTP = "config-", "smtp-"
_QUEUE = "/tmp/mailqueue"  # noqa: S108 - the default there, which is remarked on


class GsConfig:
    """One file; values are those of one instance."""

    def __init__(self, path: Path) -> None:
        """Read it; raise ``PathUnreadable``, ``FileUnreadable`` or ``Unreadable``."""
        if not path.parent.is_dir():
            raise PathUnreadable(str(path.parent), "is no directory")
        if not path.is_file():
            raise FileUnreadable(str(path), "is no file")
        # It was read by Python 2.
        self._ini = Ini(path, comments_in_line=True)
        self._schemas: dict[str, Schema] = {"smtp": SMTP}

    def set_schema(self, component: str, schema: Schema) -> None:
        """Say which options a component has."""
        self._schemas[component] = schema

    def instances(self) -> list[str]:
        """Return the names of the instances."""
        names = [each for each in self._ini.sections() if each.startswith(_INSTANCE)]
        return [each.removeprefix(_INSTANCE) for each in names]

    def get(
        self, component: str, instance: str = "default", *, strict: bool | None = None
    ) -> Mapping[str, Value]:
        """Return the values of a component, for an instance; raise ``Unreadable``."""
        schema = self._schemas.get(component)
        if schema is None:
            raise NoSchema(str(self._ini.path), f"{component} has no schema")
        is_strict = schema.is_strict if strict is None else strict
        used = Schema(kinds=schema.kinds, is_strict=is_strict)
        return used.values(self.said(self.section(component, instance)))

    def section(self, component: str, instance: str = "default") -> str:
        """Return the section of a component; raise ``NoSuchSet`` or ``NoSection``."""
        place = f"{_INSTANCE}{instance}"
        bare = f"{component}-{instance}"
        if place not in self._ini.sections():
            if bare in self._ini.sections():
                return bare
            raise NoSuchSet(str(self._ini.path), f"there is no [{place}]")
        chosen = self.said(place).get(component)
        if chosen is None:
            raise NoSuchSet(self._ini.place(place), f"{place} has no {component}")
        found = f"{component}-{chosen.value}"
        if found not in self._ini.sections():
            raise NoSection(chosen.where, f"there is no [{found}]")
        return found

    def sets(self) -> Mapping[str, str]:
        """Return each section of mail that is used, with its instance's name."""
        if not self.instances():
            names = [each for each in self._ini.sections() if each.startswith(_SMTP)]
            return {name: name.removeprefix(_SMTP) for name in names}
        found: dict[str, str] = {}
        for instance in self.instances():
            if "smtp" in self.said(f"{_INSTANCE}{instance}"):
                found.setdefault(self.section("smtp", instance), instance)
        return found

    def unused(self) -> list[str]:
        """Return the sections of mail that no instance has."""
        names = [each for each in self._ini.sections() if each.startswith(_SMTP)]
        return [name for name in names if name not in self.sets()]

    def said(self, section: str) -> Mapping[str, SaidThere]:
        """Return what a section says, as it stands there."""
        return self._ini.options(section)

    def place(self, section: str) -> str:
        """Return where a section begins."""
        return self._ini.place(section)


def imported(path: Path, instance: str = "") -> Imported:
    """Read what it says of mail, of one instance or of all; raise ``Unreadable``."""
    config, page = GsConfig(path), Page("gs.email", path)
    sets = config.sets()
    if instance:
        sets = {config.section("smtp", instance): instance}
    if not sets:
        raise NoSuchSet(str(path), "no instance sends mail: there is no [smtp-...]")
    names = [section.removeprefix(_SMTP) for section in sets]
    for section, name in zip(sets, names, strict=True):
        settings = _settings(config, section, page)
        describe(settings, f"gs-{name}", page, alone=len(sets) == 1)
    if len(sets) > 1:
        page.say("queue", "relay", f"gs-{names[0]}", config.place(next(iter(sets))))
    for section in [] if instance else config.unused():
        page.note(config.place(section), section, "is left out: no instance has it")
    return page.imported()


def _settings(config: GsConfig, section: str, page: Page) -> Settings:
    said, where = config.said(section), config.place(section)
    values = SMTP.values(said)
    for option, one in said.items():
        if option not in SMTP.kinds:
            page.note(one.where, option, "is no option of mail, and left out")
    for option in ("hostname", "port"):
        if option not in said:
            page.note(where, option, "is missing, and is the default here")
    tls = said.get("force_tls") if values.get("force_tls") else said.get("no_tls")
    return Settings(
        where=where,
        queue_path=said.get("queuepath") or SaidThere(value=_QUEUE, where=where),
        hostname=said.get("hostname"),
        port=said.get("port"),
        username=said.get("username"),
        password=said.get("password"),
        tls=_tls(values, said, page),
        tls_where=tls.where if tls else where,
        hold=values.get("processorthread") is False,
        verp=values.get("xverp") is True,
    )


def _tls(values: Mapping[str, Value], said: Mapping[str, SaidThere], page: Page) -> str:
    """Go by what the program did; its manual says the opposite of no_tls."""
    if values.get("no_tls") is False:
        text = (
            "False let the program use TLS where it was offered, whatever its manual"
            " says; for clear text in any case write tls = none"
        )
        page.note(said["no_tls"].where, "no_tls", text)
    if values.get("force_tls"):
        if values.get("no_tls"):
            text = "and force_tls exclude each other; TLS is required from now on"
            page.note(said["no_tls"].where, "no_tls", text)
        return "required"
    return "none" if values.get("no_tls") else "opportunistic"
