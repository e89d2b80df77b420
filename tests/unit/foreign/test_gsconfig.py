# SPDX-License-Identifier: Apache-2.0
"""GroupServer's gsconfig.ini: read by its rules, and said in our words."""

from pathlib import Path

import pytest

from maildropd.config.layout import Layout
from maildropd.config.model import Config, Form
from maildropd.config.read import read
from maildropd.config.relay import Tls
from maildropd.foreign import gs_schema
from maildropd.foreign.errors import Unreadable
from maildropd.foreign.gs_schema import SMTP, Schema, boolean
from maildropd.foreign.gsconfig import GsConfig, imported
from maildropd.foreign.imported import Imported

SITE = """\
[DEFAULT]
port = 25
[config-default]
smtp = local
database = main
[config-test]
smtp = quiet
[smtp-local]
hostname = localhost
no_tls = True
queuepath = /srv/gs/queue
xverp = on
[smtp-quiet]
hostname = mail.example.net
processorthread = False
queuepath = /srv/test/queue
relay-address-prefix = p-
[smtp-old]
hostname = gone.example.net
[database-main]
dsn = postgres://
"""
MANUAL = """\
[smtp-main]
hostname = localhost
port = 25
no_tls = True
queuepath = /tmp/main-mail-queue
xverp = True
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "gsconfig.ini"
    file.write_text(text)
    return file


def ours(tmp_path: Path, found: Imported) -> Config:
    """Let the daemon read what was made of it."""
    (tmp_path / "maildropd.conf").write_text(found.config)
    return read(Layout.of_path(tmp_path))


def remarks(found: Imported) -> str:
    return "\n".join(str(each) for each in found.remarks)


def test_an_instance_has_the_set_that_it_names(tmp_path: Path) -> None:
    config = GsConfig(written(tmp_path, SITE))

    assert config.instances() == ["default", "test"]
    assert config.get("smtp")["hostname"] == "localhost"
    assert config.get("smtp", "test") == {
        "hostname": "mail.example.net",
        "port": 25,
        "processorthread": False,
        "queuepath": "/srv/test/queue",
    }


def test_a_set_by_the_name_of_an_instance_counts_as_its_manual_has_it(
    tmp_path: Path,
) -> None:
    config = GsConfig(written(tmp_path, MANUAL))

    assert config.get("smtp", "main")["no_tls"] is True


@pytest.mark.parametrize("word", ["true", "Yes", "ON"])
def test_words_for_true(word: str) -> None:
    assert boolean(word) is True


@pytest.mark.parametrize("word", ["false", "No", "OFF"])
def test_words_for_false(word: str) -> None:
    assert boolean(word) is False


@pytest.mark.parametrize("word", ["1", "0", "", "maybe"])
def test_all_else_is_an_error_and_not_a_guess(word: str) -> None:
    with pytest.raises(ValueError, match="none of true"):
        boolean(word)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("[smtp-a]\n", "NoSuchSet", r"there is no \[config-default\]"),
        ("[config-default]\ndatabase = a\n", "NoSuchSet", ":1: .* has no smtp"),
        ("[config-default]\nsmtp = a\n", "NoSection", r":2: there is no \[smtp-a\]"),
        ("[smtp-default]\nport = x\n", "NotConverted", ':2: port: "x" is not a whole'),
        ("[smtp-default]\nxverp = 1\n", "NotConverted", ':2: xverp: "1" is none of'),
    ],
)
def test_each_error_has_its_name_and_place(
    tmp_path: Path, text: str, error: str, words: str
) -> None:
    with pytest.raises(getattr(gs_schema, error), match=words):
        GsConfig(written(tmp_path, text)).get("smtp")


def test_errors_of_path_file_schema_and_option_have_names(tmp_path: Path) -> None:
    file = written(tmp_path, "[smtp-default]\nunknown = 1\n")
    config = GsConfig(file)

    with pytest.raises(gs_schema.PathUnreadable):
        GsConfig(tmp_path / "etc" / "gsconfig.ini")
    with pytest.raises(gs_schema.FileUnreadable):
        GsConfig(tmp_path / "other.ini")
    with pytest.raises(gs_schema.NoSchema):
        config.get("database")
    with pytest.raises(gs_schema.NoOption, match=":2: unknown"):
        config.get("smtp", strict=True)
    assert config.get("smtp") == {}


def test_a_component_of_somebody_else_can_be_strict(tmp_path: Path) -> None:
    config = GsConfig(written(tmp_path, "[database-default]\ndsn = a\nx = b\n"))
    config.set_schema("database", Schema(kinds={"dsn": str}))

    with pytest.raises(gs_schema.NoOption, match=":3"):
        config.get("database")
    assert config.get("database", strict=False) == {"dsn": "a"}
    assert SMTP.is_strict is False


def test_several_instances_become_as_many_spools_each_with_its_relay(
    tmp_path: Path,
) -> None:
    found = imported(written(tmp_path, SITE))
    config = ours(tmp_path, found)

    local, quiet = config.spools
    assert (local.name, local.form, local.path) == (
        "gs-local",
        Form.MAILDIR,
        Path("/srv/gs/queue"),
    )
    assert (local.verp, local.hold) == (True, False)
    assert (quiet.verp, quiet.hold) == (False, True)
    assert [relay.host for relay in config.relays] == ["localhost", "mail.example.net"]
    assert [relay.tls for relay in config.relays] == [Tls.NONE, Tls.OPPORTUNISTIC]
    assert [route.submitter for route in config.routes] == [
        ("spool=gs-local",),
        ("spool=gs-quiet",),
    ]
    assert "smtp-old" in remarks(found)
    assert "relay-address-prefix" in remarks(found)


def test_one_instance_can_be_chosen(tmp_path: Path) -> None:
    found = imported(written(tmp_path, SITE), "test")

    (spool,) = ours(tmp_path, found).spools
    assert (spool.name, spool.hold) == ("gs-quiet", True)
    with pytest.raises(gs_schema.NoSuchSet):
        imported(written(tmp_path, SITE), "other")


def test_the_example_of_the_manual_is_read(tmp_path: Path) -> None:
    found = imported(written(tmp_path, MANUAL))
    config = ours(tmp_path, found)

    assert config.relay.tls is Tls.NONE
    assert config.spools[0].verp
    assert "can be made by anybody" in remarks(found)


def test_a_password_is_in_a_file_of_its_own_whatever_it_has_in_it(
    tmp_path: Path,
) -> None:
    password = 'a"b\\c%d %(e)s \u00fc'
    text = f"{MANUAL}username = me\npassword = {password}\n"

    found = imported(written(tmp_path, text))
    config = ours(tmp_path, found)

    assert found.secrets == {"gs-main-password": password.encode()}
    assert config.relay.password_credential == "gs-main-password"
    assert config.relay.auth_in_clear  # as it was: no_tls
    assert password not in found.config + remarks(found) + repr(found.remarks)


@pytest.mark.parametrize(
    ("said", "password"),
    [
        ("a ; a comment", "a"),
        ("a\t;a comment", "a"),
        ("a;b", "a;b"),
        ("a;b ;c", "a;b ;c"),
        ("a ;b;c", "a"),
        (";abc", ";abc"),
    ],
)
def test_a_password_ends_at_a_comment_where_python_2_had_it_end(
    tmp_path: Path, said: str, password: str
) -> None:
    """Only its first semicolon counted, and only with a blank before it."""
    text = MANUAL.replace("]", "] ; of [main]")

    found = imported(written(tmp_path, f"{text}username = me\npassword = {said}\n"))

    assert found.secrets == {"gs-main-password": password.encode()}


def test_a_line_that_goes_on_has_no_comment(tmp_path: Path) -> None:
    text = "[smtp-default]\nhostname = a ; b\n c ; d\n"

    assert GsConfig(written(tmp_path, text)).get("smtp") == {"hostname": "a\nc ; d"}


@pytest.mark.parametrize(
    ("said", "tls"),
    [
        ("", Tls.OPPORTUNISTIC),
        ("no_tls = False", Tls.OPPORTUNISTIC),
        ("no_tls = True", Tls.NONE),
        ("force_tls = True", Tls.REQUIRED),
        ("force_tls = True\nno_tls = True", Tls.REQUIRED),
    ],
)
def test_encryption_is_what_the_program_did(
    tmp_path: Path, said: str, tls: Tls
) -> None:
    text = f"[smtp-a]\nhostname = h\nport = 25\nqueuepath = /srv/q\n{said}\n"

    found = imported(written(tmp_path, text))

    assert ours(tmp_path, found).relay.tls is tls
    assert ("whatever its manual" in remarks(found)) == ("False" in said)


def test_the_owner_of_the_queue_may_go_on_to_send_in_any_name(tmp_path: Path) -> None:
    (tmp_path / "queue").mkdir()
    text = f"[smtp-a]\nhostname = h\nport = 25\nqueuepath = {tmp_path}/queue\n"

    found = imported(written(tmp_path, text))
    missing = imported(written(tmp_path, text.replace("/queue", "/other")))

    owner = (tmp_path / "queue").stat().st_uid
    assert ("senders = *" in found.config) == bool(owner)
    assert "[submitter gs-a]" in remarks(missing)


@pytest.mark.parametrize(
    "text",
    [
        "hostname = x\n",
        "[smtp-a\n",
        "[smtp-a]\nsecret-without-a-sign\n",
        "[config-a]\nx = 1\n",
        "[smtp-a]\nport = 99999\nqueuepath = /q\n",
        "[smtp-a]\nqueuepath = q\n",
        "[smtp-a]\nqueuepath =\n",
        "[smtp-a]\nhostname = a b\nqueuepath = /q\n",
        "",
    ],
)
def test_what_is_none_is_refused_with_its_place_and_no_secret(
    tmp_path: Path, text: str
) -> None:
    file = written(tmp_path, text)

    with pytest.raises(Unreadable) as caught:
        imported(file)

    assert str(file) in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("octets", [b"[smtp-a]\nusername = \xff\n", b"\0\0"])
def test_octets_that_are_no_text_are_refused(tmp_path: Path, octets: bytes) -> None:
    file = tmp_path / "gsconfig.ini"
    file.write_bytes(octets)

    with pytest.raises(Unreadable):
        imported(file)
