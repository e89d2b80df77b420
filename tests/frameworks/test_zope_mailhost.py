# SPDX-License-Identifier: Apache-2.0
"""The calls and header rules of a MailHost, and the calls of MaildropHost."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import transaction
from App.config import getConfiguration
from Products.MailHost.interfaces import IMailHost
from Products.MailHost.MailHost import MailHostError

from maildropd.api import Unavailable
from maildropd.integrations.zope import old
from maildropd.integrations.zope.configs import DEFAULT_PATH
from maildropd.integrations.zope.mailhost import MaildropHost
from tests.fakes.originals import originals
from tests.frameworks.zope_host import TEXT, Recording

CONFIG = (
    'MAILDROP_HOME="%s"\nSMTP_HOST="mail.example.net"\nSMTP_PORT=2525\n'
    "MAILDROP_INTERVAL=120\nMAILDROP_TLS=0\n"
)


@pytest.fixture
def host() -> Recording:
    return Recording()


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MaildropHost]:
    """One whose mail goes into a drop directory, since no socket is there."""
    (tmp_path / "drop").mkdir()
    monkeypatch.setenv("MAILDROP_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("MAILDROP_DROP", str(tmp_path / "drop"))
    transaction.abort()
    yield MaildropHost("MailHost")
    transaction.abort()


@pytest.fixture
def products() -> Iterator[dict[str, dict[str, str]]]:
    """The sections <product-config> of zope.conf."""
    configuration = getConfiguration()
    before = getattr(configuration, "product_config", None)
    configuration.product_config = {}
    yield configuration.product_config
    configuration.product_config = before


def left(folder: Path) -> list[bytes]:
    """Return the files that maildropd would take."""
    return [
        each.read_bytes()
        for each in sorted(folder.iterdir())
        if not each.name.startswith(".")
    ]


def config(folder: Path, more: str = "") -> Path:
    (folder / "home" / "spool").mkdir(parents=True, exist_ok=True)
    path = folder / f"config{len(more)}"
    path.write_text(CONFIG % (folder / "home") + more)
    return path


# The other calls of a MailHost.


def test_simple_send_builds_the_message(host: Recording) -> None:
    host.simple_send("a@x.org, b@x.org", "f@x.org", "sub", "A line.\n")

    assert host.sent[0][:2] == ("f@x.org", ["a@x.org, b@x.org"])
    assert host.message["Subject"] == "sub"
    assert host.text == "A line.\n"


def test_simple_send_has_its_other_name(host: Recording) -> None:
    host.simpleSend("a@x.org", "f@x.org", "sub", "A line.\n")

    assert host.message["To"] == "a@x.org"


def test_simple_send_lets_no_argument_start_a_field(host: Recording) -> None:
    with pytest.raises(MailHostError, match="subject: a line end within"):
        host.simple_send("a@x.org", "f@x.org", "sub\nBcc: victim@x.org", "x")


def test_send_template_renders_and_sends(host: Recording) -> None:
    class Folder:
        def letter(self, _client: object, _request: object) -> str:
            return TEXT

        def done(self, _client: object, _request: object) -> str:
            return "thank you"

    host.REQUEST = None

    assert host.sendTemplate(Folder(), "letter") == "SEND OK"
    assert host.sendTemplate(Folder(), "letter", "done", mto="b@x.org") == "thank you"
    assert [to for _, to, _ in host.sent] == [["to@example.net"], ["b@x.org"]]


def test_scheduled_send_is_send_and_immediate_means_nothing(host: Recording) -> None:
    host.scheduledSend(TEXT, immediate=True)
    host.send(TEXT, None, None, None, None, True)

    assert len(host.sent) == 2


def test_it_is_a_mailhost(host: Recording) -> None:
    assert IMailHost.providedBy(host)
    assert (host.smtp_host, host.smtp_port) == ("localhost", 25)
    with pytest.raises(ValueError, match="Unsupported action stop"):
        host.manage_restartQueueThread("stop")


def test_a_daemon_that_does_not_answer_is_no_error(real: MaildropHost) -> None:
    assert real.queueLength() == "n/a - maildropd does not answer"
    assert not real.queueThreadAlive()
    assert not real.queueNonDeliveryMode()
    (said,) = (r["value"] for r in real.getSettings() if r["name"] == "maildropd")
    assert "is maildropd running" in said


def test_each_call_needs_the_permission_that_the_documentation_says() -> None:
    calls = [name for name, value in vars(MaildropHost).items() if callable(value)]
    public = {name for name in calls if not name.endswith("__") and name[0] != "_"}
    sending = {"send", "scheduledSend", "simple_send", "simpleSend"}

    found = {name: getattr(MaildropHost, f"{name}__roles__") for name in public}

    assert {"manage_main", "manage_log", "manage_makeChanges", "getLog"} < public
    for name, roles in found.items():
        wanted = "Use mailhost services" if name in sending else "Change configuration"
        assert (name, roles.__name__) == (name, wanted)


# Transactions.


def test_mail_leaves_when_the_transaction_commits(
    tmp_path: Path, real: MaildropHost
) -> None:
    real.send(TEXT)
    assert list((tmp_path / "drop").iterdir()) == []

    transaction.commit()

    (frame,) = left(tmp_path / "drop")
    assert b"\0-f\0from@example.org\0" in frame


def test_mail_of_a_transaction_that_is_aborted_never_leaves(
    tmp_path: Path, real: MaildropHost
) -> None:
    real.send(TEXT)
    transaction.abort()
    transaction.commit()

    assert list((tmp_path / "drop").iterdir()) == []


def test_without_a_transaction_it_leaves_at_once(
    tmp_path: Path, real: MaildropHost
) -> None:
    real.manage_makeChanges("title", transactional=False)
    real.send(TEXT)
    transaction.abort()

    assert not real.isTransactional()
    assert len(left(tmp_path / "drop")) == 1


def test_what_maildropd_would_refuse_is_said_at_once(real: MaildropHost) -> None:
    with pytest.raises(MailHostError, match=r"recipients: not an address: 'a b@x.org'"):
        real.send(TEXT, "a b@x.org")


def test_no_door_stops_the_commit(tmp_path: Path, real: MaildropHost) -> None:
    (tmp_path / "drop").rmdir()
    real.send(TEXT)

    with pytest.raises(Unavailable):
        transaction.commit()


# Configurations.


def test_candidates_are_those_of_zope_conf_and_those_added(
    real: MaildropHost, products: dict[str, dict[str, str]]
) -> None:
    products["maildrophost"] = {"config-path-b": "/b", "config-path-a": "/a", "x": "/x"}
    real.addConfigPath("added", "/c")

    assert real.getCandidateConfigPaths() == (
        ("DEFAULT", DEFAULT_PATH),
        ("added", "/c"),
        ("config-path-a", "/a"),
        ("config-path-b", "/b"),
    )


@pytest.mark.usefixtures("products")
def test_a_chosen_configuration_leads_to_its_first_spool(
    tmp_path: Path, real: MaildropHost
) -> None:
    (tmp_path / "one").mkdir()
    path = config(tmp_path, f'MAILDROP_SPOOL="{tmp_path}/one; {tmp_path}/two"\n')
    real.addConfigPath("key", str(path))

    real.setConfigPath("key")
    real.send(TEXT)
    transaction.commit()
    real.manage_makeChanges("x", transactional=False)
    real.send(TEXT)

    assert real.getConfigPath() == str(path)
    assert len(left(tmp_path / "one")) == 2
    assert left(tmp_path / "drop") == []
    assert (real.smtp_host, real.smtp_port) == ("mail.example.net", 2525)


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize(
    ("key", "content", "said"),
    [
        ("other", "", "ValueError: Invalid path key other"),
        ("key", "", "ValueError: Invalid config file path"),
        ("key", 'SMTP_HOST="x"\n', "RuntimeError: .*lacks .*SMTP_PORT"),
        ("key", 'SMTP_HOST="x\n', "RuntimeError: .*:1: "),
        ("key", CONFIG.replace("2525", '"25"'), "RuntimeError: .*:3: SMTP_PORT"),
    ],
)
def test_a_configuration_of_no_use_leaves_the_old_one(
    tmp_path: Path, real: MaildropHost, key: str, content: str, said: str
) -> None:
    good, bad = config(tmp_path), tmp_path / "bad"
    real.addConfigPath("good", str(good))
    real.addConfigPath("key", str(bad))
    real.setConfigPath("good")
    if content:
        bad.write_text(content)

    with pytest.raises((ValueError, RuntimeError)) as caught:
        real.manage_makeChanges("new title", path_key=key)

    assert re.match(said, f"{caught.typename}: {caught.value}")

    assert real.getConfigPath() == str(good)
    assert real.title == "Maildrop Host"


def test_a_configuration_that_has_vanished_gives_way_to_the_default(
    tmp_path: Path, real: MaildropHost
) -> None:
    real.config_path = str(tmp_path / "gone" / "config")

    real.send(TEXT)
    transaction.commit()

    assert len(left(tmp_path / "drop")) == 1


def test_one_that_went_bad_stops_mail_rather_than_lead_it_elsewhere(
    tmp_path: Path, real: MaildropHost
) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text()[:40])
    real.config_path = str(path)

    with pytest.raises(MailHostError, match=str(path)):
        real.send(TEXT)

    assert any(row["name"] == "Error" for row in real.getSettings())
    assert (real.getLog(), real.smtp_host) == ("", "localhost")


@pytest.mark.usefixtures("products")
def test_the_configurations_of_maildrophost_itself_can_be_chosen(
    real: MaildropHost,
) -> None:
    """Where somebody keeps them: the one it ships, and those of its tests."""
    for path in originals("maildrophost"):
        real.addConfigPath("key", str(path))
        if path.name in ("config.default", "dummyconfig"):
            real.setConfigPath("key")
            assert real.getConfigPath() == str(path)
        elif path.name == "badconfig":
            with pytest.raises(RuntimeError, match="badconfig"):
                real.setConfigPath("key")


def test_a_spool_that_is_missing_stops_the_commit(
    tmp_path: Path, real: MaildropHost
) -> None:
    """The daemon makes it; nobody would look into one that Zope has made."""
    real.config_path = str(config(tmp_path, f'MAILDROP_SPOOL="{tmp_path}/none"\n'))
    real.send(TEXT)

    with pytest.raises(Unavailable, match="none"):
        transaction.commit()

    assert left(tmp_path / "drop") == []


def test_a_debug_receiver_is_the_only_recipient(
    tmp_path: Path, real: MaildropHost
) -> None:
    path = config(tmp_path, 'DEBUG_RECEIVER="one@x.org, two@x.org"\n')
    real.config_path = str(path)

    real.send(TEXT + "x\n", "customer@example.net")
    transaction.commit()

    (frame,) = left(tmp_path / "home" / "spool")
    assert b"\0one@x.org\0two@x.org\0" in frame
    assert frame.count(b"customer@example.net") == 1
    assert b"\r\nTo: customer@example.net\r\n" in frame


def test_the_settings_are_shown_without_the_password(
    tmp_path: Path, real: MaildropHost
) -> None:
    secret = 'MAILDROP_LOGIN="joe"\nMAILDROP_PASSWORD="s3\\"cret"\nADD_MESSAGEID=1\n'
    real.config_path = str(config(tmp_path, secret))

    shown = {row["name"]: row["value"] for row in real.getSettings()}

    assert shown["SMTP Host"] == "mail.example.net"
    assert shown["SMTP Server Login"] == "joe"
    assert shown["SMTP Server Password"] == "******"
    assert shown["Debug receiver"] == "(not set)"
    assert (shown["TLS usage"], shown["Debug mode"]) == ("No", "Off")
    assert shown["Add Message-Id headers"] == "On"
    assert "cret" not in str(shown)


@pytest.mark.parametrize(
    ("max_bytes", "log"),
    [
        (50000, "third\nsecond\nfirst"),
        (12, "third"),
        (0, ""),
    ],
)
def test_the_log_is_read_from_its_end(
    tmp_path: Path, real: MaildropHost, max_bytes: int, log: str
) -> None:
    real.config_path = str(config(tmp_path))
    assert real.getLog() == ""
    (tmp_path / "home" / "var").mkdir()
    path = tmp_path / "home" / "var" / "maildrop.log"
    path.write_text("first\nsecond\nthird\n")

    assert real.getLog(max_bytes) == log


# Databases of MaildropHost.


def test_an_object_of_maildrophost_is_one_of_ours() -> None:
    old.take()

    found = sys.modules["Products.MaildropHost.MaildropHost"]

    assert found.MaildropHost is MaildropHost
    loaded = found.MaildropHost.__new__(found.MaildropHost)
    loaded.__setstate__(
        {
            "id": "MailHost",
            "title": "old",
            "_transactional": False,
            "config_path": "/opt/zope/Products/MaildropHost/config",
            "smtp_host": "old.example.net",
            "password": "******",
        }
    )
    assert (loaded.getId(), loaded.isTransactional()) == ("MailHost", False)
    assert loaded.smtp_host == "localhost"
