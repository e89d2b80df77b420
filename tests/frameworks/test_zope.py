# SPDX-License-Identifier: Apache-2.0
"""A real Zope over HTTP, a real maildropd, and a smarthost that gets the mail."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.smtp_peer import Taken
from tests.fakes.smtp_server import SmtpServer
from tests.frameworks.zope_server import ZopeServer
from tests.integration.daemon import HOME, DaemonProcess

ADD = "/manage_addProduct/MaildropHost"
SPOOL = """
[spool shop]
path = mh/spool
quarantine = shop-quarantine
settle_time = 0
"""
CONFIG = """
MAILDROP_HOME="%(home)s"
SMTP_HOST="mail.example.net"
SMTP_PORT=2525
MAILDROP_INTERVAL=120
DEBUG=0
MAILDROP_TLS=2
MAILDROP_LOGIN="shop"
MAILDROP_PASSWORD="t0p \\" secret"
DEBUG_RECEIVER="%(receiver)s"
"""
LOG = "### Started\nOK\t old@example.net\nOK\t <b>new</b>@example.net\n"
DTML = """<dtml-sendmail mailhost="MailHost">
To: dtml@example.net
From: app@example.org
Subject: dtml

Hello &dtml-name;.
</dtml-sendmail>done"""
PRODUCTS = """
<product-config maildrophost>
  config-path-shop %(home)s/config
  config-path-tests %(home)s/tests
  config-path-gone %(home)s/gone
  config-path-bad %(home)s/bad
  config-path-lost %(home)s/lost
  other %(home)s/config
</product-config>
"""


class Site:
    """Zope, the daemon and the smarthost; names of recipients tell mails apart."""

    def __init__(
        self, zope: ZopeServer, daemon: DaemonProcess, server: SmtpServer
    ) -> None:
        self.zope, self.daemon, self.server = zope, daemon, server

    def arrived(self, name: str) -> list[Taken]:
        """Return the mails for one recipient, once all is done that was begun."""
        mark = f"mark{len(self.server.delivered)}"
        assert self.zope.get(f"/once?name={mark}").text == "sent"
        self.server.wait(lambda server: any(_for(mark, m) for m in server.delivered))
        self.daemon.until(self._is_done, "end of the work")
        return [each for each in self.server.delivered if _for(name, each)]

    def _is_done(self) -> bool:
        spool = self.daemon.folder / "mh" / "spool"
        done = self.daemon.count("MessageDone") == self.daemon.count("MessageAccepted")
        return done and not [*self.daemon.drop.iterdir(), *spool.iterdir()]


def _for(name: str, mail: Taken) -> bool:
    return any(path.startswith(f"{name}@") for path in mail.recipients)


def _maildrophost(home: Path) -> None:
    """Make what a site has that ran MaildropHost."""
    for folder in "spool", "var":
        (home / folder).mkdir(parents=True)
    words = {"home": home, "receiver": ""}
    (home / "config").write_text(CONFIG % words)
    (home / "tests").write_text(CONFIG % {**words, "receiver": "tester@example.net"})
    (home / "lost").write_text(CONFIG % {**words, "home": home / "elsewhere"})
    (home / "bad").write_text("SMTP_HOST = nonsense\n")
    (home / "var" / "maildrop.log").write_text(LOG)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("zope")
    _maildrophost(folder / "daemon" / "mh")
    with SmtpServer() as server:
        daemon = DaemonProcess(folder / "daemon", server.port, SPOOL).start()
        doors = {
            "MAILDROP_RUN": str(folder / "daemon" / "run"),
            "MAILDROP_DROP": str(daemon.drop),
        }
        zope = ZopeServer(folder / "instance", doors)
        zope.configure(PRODUCTS % {"home": folder / "daemon" / "mh"})
        try:
            with zope:
                for name in "MailHost", "shop":
                    zope.post(f"{ADD}/manage_addMaildropHost", id=name, title=name)
                yield Site(zope, daemon, server)
        finally:
            daemon.stop()


def test_a_manager_adds_one_in_the_management_interface(site: Site) -> None:
    form = site.zope.get(f"{ADD}/addMaildropHostForm")

    answer = site.zope.post(f"{ADD}/manage_addMaildropHost", id="added", title="x")

    assert "Add MaildropHost" in form.text
    assert (answer.status, "/added/manage_main" in answer.location) == (302, True)
    assert "Maildrop Host" in site.zope.get("/added/manage_main").text


def test_what_a_request_sends_arrives_once_it_is_done(site: Site) -> None:
    site.zope.get("/once?name=once")
    (mail,) = site.arrived("once")
    assert mail.recipients == ("once@example.net",)
    assert b"\r\nSubject: once\r\n" in mail.content
    assert mail.content.endswith(b"\r\n\r\nA line.\r\n")


def test_a_request_that_conflicts_twice_sends_one_mail(site: Site) -> None:
    answer = site.zope.get("/retried?name=retried")

    assert answer.text == "sent after 2 conflicts"
    assert len(site.arrived("retried")) == 1


def test_a_request_that_fails_sends_nothing(site: Site) -> None:
    answer = site.zope.get("/failing?name=failing")

    assert answer.status == 500
    assert site.arrived("failing") == []


def test_a_dtml_method_sends_with_its_tag(site: Site) -> None:
    site.zope.post("/manage_addProduct/OFSP/manage_addDTMLMethod", id="tag", file=DTML)

    answer = site.zope.get("/tag?name=World")

    (mail,) = site.arrived("dtml")
    assert answer.text.strip().endswith("done")
    assert b"Hello World." in mail.content


def test_mail_of_a_chosen_configuration_goes_through_its_spool(site: Site) -> None:
    changes = {"title": "x", "path_key": "config-path-shop"}
    for transactional in "1", "":
        changes["transactional:boolean"] = transactional
        site.zope.post("/shop/manage_makeChanges", **changes)
        site.zope.get(f"/once?name=shop{transactional}&host=shop")

    assert len(site.arrived("shop1")) == len(site.arrived("shop")) == 1

    events = site.daemon.of("MessageAccepted")
    submitters = [each["MAILDROP_SUBMITTER"] for each in events]
    assert submitters.count("spool=shop") == 2


def test_a_debug_receiver_gets_the_mail_in_place_of_the_recipients(site: Site) -> None:
    changes = {"title": "x", "path_key": "config-path-tests"}
    site.zope.post("/shop/manage_makeChanges", **changes)

    site.zope.get("/once?name=customer&host=shop")

    assert site.arrived("customer") == []
    (mail,) = site.arrived("tester")
    assert b"\r\nTo: customer@example.net\r\n" in mail.content


def test_the_edit_page_shows_the_settings_and_hides_the_password(site: Site) -> None:
    changes = {"title": "Mail <b>", "transactional": "1"}
    answer = site.zope.post(
        "/shop/manage_makeChanges", **changes, path_key="config-path-shop"
    )

    assert "MaildropHost &quot;shop&quot; updated" in answer.text
    page = site.zope.get("/shop/manage_main").text
    for shown in ("mail.example.net", "2525", "Forced", "******", "(not set)"):
        assert shown in page
    assert 'value="Mail &lt;b&gt;"' in page
    assert "t0p" not in page
    assert "config-path-gone" in page
    assert "(other)" not in page


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("config-path-shop", "0 recipients waiting</td>"),
        ("config-path-lost", "it does not watch"),
    ],
)
def test_the_edit_page_says_how_maildropd_does(site: Site, key: str, said: str) -> None:
    site.arrived("nobody")  # and nothing is left to do

    answer = site.zope.post("/shop/manage_makeChanges", title="x", path_key=key)

    assert said in answer.text


@pytest.mark.parametrize("key", ["config-path-gone", "config-path-bad", "nonsense"])
def test_a_configuration_of_no_use_is_refused_and_nothing_changes(
    site: Site, key: str
) -> None:
    before = site.zope.get("/MailHost/manage_main").text

    answer = site.zope.post("/MailHost/manage_makeChanges", title="no", path_key=key)

    assert "alert-danger" in answer.text
    assert site.zope.get("/MailHost/manage_main").text == before


def test_the_log_is_shown_with_its_newest_line_first(site: Site) -> None:
    site.zope.post("/shop/manage_makeChanges", title="x", path_key="config-path-shop")

    page = site.zope.get("/shop/manage_log").text

    assert page.index("&lt;b&gt;new&lt;/b&gt;") < page.index("old@example.net")
    assert "no log to show" in site.zope.get("/MailHost/manage_log").text


@pytest.mark.parametrize(
    "page",
    [
        *("manage_main", "manage", "manage_log", "manage_makeChanges?title=x"),
        *("getLog", "getSettings", "getConfigPath", "setConfigPath?path_key=DEFAULT"),
        *("send?messageText=x", "simple_send", "queueLength", "queueThreadAlive"),
        *("smtp_host", "config_path", "manage_restartQueueThread", "_send"),
    ],
)
def test_nobody_reads_or_changes_anything_without_a_login(
    site: Site, page: str
) -> None:
    answer = site.zope.get(f"/MailHost/{page}", user="")

    assert answer.status in (401, 403, 404)


def test_a_database_of_maildrophost_goes_on_working(site: Site) -> None:
    """Its objects are ours, and so they are saved when they are changed."""
    site.zope.stop()
    data = site.zope.folder / "var" / "Data.fs"
    subprocess.run(
        [sys.executable, "-m", "tests.frameworks.zope_old_data", str(data), "old"],
        check=True,
        cwd=HOME,
    )
    assert b"Products.MaildropHost.MaildropHost" in data.read_bytes()
    site.zope.start()

    answer = site.zope.get("/once?name=olden&host=old")
    changes = {"title": "new", "transactional": "1", "path_key": ""}
    site.zope.post("/old/manage_makeChanges", **changes)

    assert answer.text == "sent"
    assert len(site.arrived("olden")) == 1
    page = site.zope.get("/old/manage_main").text
    assert 'value="new"' in page
    assert "/opt/zope/Products/MaildropHost/config (as it is)" in page
    assert b"maildropd.integrations.zope.mailhost" in data.read_bytes()


def test_what_is_installed_has_the_registration_and_the_pages(tmp_path: Path) -> None:
    code = "import setuptools; setuptools.setup()"
    build = [sys.executable, "-c", code, "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(build, check=True, cwd=HOME)

    package = Path("maildropd", "integrations", "zope")
    files = [each for each in (HOME / package).rglob("*") if each.suffix != ".pyc"]
    wanted = {each.relative_to(HOME) for each in files if each.is_file()}
    assert len([each for each in wanted if each.suffix in (".zcml", ".zpt")]) == 4
    assert [each for each in wanted if not (tmp_path / each).exists()] == []
