# SPDX-License-Identifier: Apache-2.0
"""The files of zope-sendmail --config and of qp, in our words."""

from datetime import timedelta
from pathlib import Path

import pytest

from maildropd.config.relay import Tls
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.zope_sendmail_ini import boolean, imported
from tests.unit.foreign.test_gsconfig import ours, remarks

ZOPE = "[app:zope-sendmail]\nqueue_path = /srv/q\n"
QP = "[app:qp]\nqueue_path = /srv/r\n"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "queue.ini"
    file.write_text(text)
    return file


@pytest.mark.parametrize("word", ["true", "Yes", "1", "t", "yellow", "10"])
def test_what_begins_with_t_y_or_1_is_true(word: str) -> None:
    assert boolean(word)


@pytest.mark.parametrize("word", ["false", "No", "0", "on", "", "None", " true"])
def test_all_else_is_false(word: str) -> None:
    assert not boolean(word)


def test_all_of_zope_sendmail_is_said(tmp_path: Path) -> None:
    text = (
        f"{ZOPE}interval = 7.5\nhostname = mail.example.net\nport = 2525\n"
        "username = me\npassword = %secret\nforce_tls = yes\nno_tls = false\n"
    )

    found = imported(written(tmp_path, text))
    config = ours(tmp_path, found)

    (spool,) = config.spools
    assert spool.path == Path("/srv/q")
    assert spool.poll_interval == timedelta(seconds=7.5)
    assert (config.relay.host, config.relay.port) == ("mail.example.net", 2525)
    assert config.relay.tls is Tls.REQUIRED
    assert found.secrets == {"zope-sendmail-password": b"%secret"}
    assert "counted less, but for the queue's path" in remarks(found)


@pytest.mark.parametrize(
    ("said", "tls"),
    [
        ("", Tls.OPPORTUNISTIC),
        ("no_tls = True", Tls.NONE),
        ("ssl = 1", Tls.IMPLICIT),
        ("ssl = 1\nno_tls = 1", Tls.IMPLICIT),
        ("force_tls = t\nno_tls = t", Tls.REQUIRED),
        ("force_tls = on", Tls.OPPORTUNISTIC),
    ],
)
def test_encryption_of_qp(tmp_path: Path, said: str, tls: Tls) -> None:
    found = imported(written(tmp_path, f"{QP}{said}\n"))

    assert ours(tmp_path, found).relay.tls is tls
    assert "counted more" in remarks(found)


def test_what_one_of_them_does_not_have_is_remarked_on(tmp_path: Path) -> None:
    found = imported(written(tmp_path, f"{QP}interval = 3\ndebug_smtp = true\n"))

    said = remarks(found)
    assert ":3: interval: is no option of qp" in said
    assert ":4: debug_smtp: has no equal" in said
    assert "poll_interval" not in found.config


def test_both_in_one_file_are_two_spools_with_a_relay_each(tmp_path: Path) -> None:
    found = imported(written(tmp_path, f"{ZOPE}hostname = a\n{QP}hostname = b\n"))
    config = ours(tmp_path, found)

    assert [spool.path for spool in config.spools] == [Path("/srv/q"), Path("/srv/r")]
    assert [relay.host for relay in config.relays] == ["a", "b"]
    assert config.queue.relay == "zope-sendmail"


def test_none_is_how_they_wrote_nothing(tmp_path: Path) -> None:
    text = f"{ZOPE}username = None\npassword = None\n"

    found = imported(written(tmp_path, text))

    assert found.secrets == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[app:other]\n", "there is no section"),
        ("[app:qp]\nhostname = a\n", "queue_path is missing"),
        (f"{ZOPE}username = me\n", ":3: username and password go together"),
        (f"{ZOPE}interval = soon\n", ":3: .*no number of seconds"),
        (f"{ZOPE}interval = inf\n", ":3: .*no number of seconds"),
        (f"{ZOPE}port = x\n", ":3: "),
        (f"{ZOPE}hostname = a b\n", ":3: "),
    ],
)
def test_what_is_wrong_has_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        imported(written(tmp_path, text))
