# SPDX-License-Identifier: Apache-2.0
"""Secrets reach the smarthost by systemd's credentials, and by no other way."""

import pytest

from maildropd.mail.route_events import RouteAlarm
from tests.system.host import UNIT, Host
from tests.system.judge import Verdict, judge
from tests.system.machine import until
from tests.system.mails import copies, mails
from tests.system.postfix import PASSWORD, USER, Postfix

NAME = f"{USER}@smarthost.test"
CREDENTIAL = "/etc/maildrop/credentials/provider"


@pytest.mark.parametrize(
    ("port", "tls", "auth"),
    [
        ("587", "required", "auto"),
        ("587", "required", "plain"),
        ("587", "required", "login"),
        ("587", "required", "cram-md5"),
        ("465", "implicit", "auto"),
    ],
)
def test_mail_goes_out_as_the_user_of_the_credential(
    host: Host, smarthost: Postfix, port: str, tls: str, auth: str
) -> None:
    host.machine.push(CREDENTIAL, PASSWORD, 0o600)
    host.configure(
        port=port, tls=tls, auth=auth, username=NAME, password_credential="provider"
    )
    host.start()

    host.drop(range(6))

    until(lambda: smarthost.count() >= copies(range(6)))
    arrived = smarthost.mails()
    assert judge(mails(range(6)), arrived) == Verdict()
    for mail in arrived:
        assert f"(Authenticated sender: {NAME})" in mail.trace
        assert "with ESMTPSA id" in mail.trace


def test_a_wrong_password_rings_an_alarm_and_the_mail_waits_for_the_right_one(
    host: Host, smarthost: Postfix
) -> None:
    host.machine.push(CREDENTIAL, "wrong", 0o600)
    host.configure(port="587", username=NAME, password_credential="provider")
    host.start()

    host.drop(range(6))
    (alarm,) = host.until_said(RouteAlarm.event_id)
    until(lambda: len(host.queue()) == 6)
    host.machine.push(CREDENTIAL, PASSWORD, 0o600)
    host.machine.run("systemctl", "restart", UNIT)

    until(lambda: smarthost.count() >= copies(range(6)))
    assert judge(mails(range(6)), smarthost.mails()) == Verdict()
    assert alarm["PRIORITY"] == "1"


def test_the_password_is_in_no_log_and_in_no_environment(
    host: Host, smarthost: Postfix
) -> None:
    host.machine.push(CREDENTIAL, PASSWORD, 0o600)
    host.configure(port="587", username=NAME, password_credential="provider")
    host.start()
    host.drop(range(6))
    until(lambda: smarthost.count() >= copies(range(6)))

    journal = host.machine.run("journalctl", "-o", "json", "--all")
    environment = host.machine.run("cat", f"/proc/{host.main_pid()}/environ")

    assert PASSWORD not in journal
    assert PASSWORD not in environment


def test_a_certificate_of_nobody_we_trust_keeps_the_mail_here(
    host: Host, smarthost: Postfix
) -> None:
    host.configure(tls_ca_file="")
    host.start()

    host.drop(range(3))
    until(lambda: len(host.queue()) == 3)
    until(lambda: "certificate" in host.ctl("status").lower())
    assert smarthost.count() == 0
    host.configure()
    host.machine.run("systemctl", "reload", UNIT)

    until(lambda: smarthost.count() >= copies(range(3)))
