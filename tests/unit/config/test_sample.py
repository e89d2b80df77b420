# SPDX-License-Identifier: Apache-2.0
"""The sample that is installed: every key, commented out, with its default."""

import re
from dataclasses import replace
from pathlib import Path

from maildropd.config.dkim import DkimConfig
from maildropd.config.layout import Layout
from maildropd.config.lines import Line, parse
from maildropd.config.model import SubmitterConfig
from maildropd.config.read import read
from maildropd.config.routes import Patterns, RouteConfig
from maildropd.config.said import MODELS, keys

SAMPLE = Path(__file__).parents[3] / "etc/maildrop/maildropd.conf"


def _uncommented() -> str:
    text = SAMPLE.read_text("utf-8")
    return re.sub(r"^#(?=[a-z_]+ =|\[)", "", text, flags=re.MULTILINE)


def test_the_sample_changes_nothing() -> None:
    host = Layout.of_host()

    assert read(replace(host, config=SAMPLE)) == replace(
        read(replace(host, config=Path("/dev/null"))), source=SAMPLE
    )


def test_every_key_stands_there_with_its_default(tmp_path: Path) -> None:
    host = Layout.of_host()
    everything = tmp_path / "everything.conf"
    text = _uncommented().replace("discard = no", "discard = yes")
    everything.write_text(text.replace("\nrecipient =\n", "\nrecipient = *\n"))
    route = RouteConfig(name="inside", recipient=Patterns(("*",)), discard=True)

    assert read(replace(host, config=everything)) == replace(
        read(replace(host, config=SAMPLE)),
        source=everything,
        submitters=(SubmitterConfig(name="shop"),),
        routes=(route,),
        dkim=(DkimConfig(name="example.org"),),
    )


def test_every_key_of_the_model_is_in_the_sample_in_its_order() -> None:
    lines = list(parse(SAMPLE, _uncommented().encode("utf-8")))
    found = [
        (line.section.kind, line.key)
        for line in lines
        if isinstance(line, Line) and line.key
    ]

    assert found == [(kind, key) for kind in MODELS for key in keys(kind)]
    assert all(isinstance(line, Line) for line in lines)
