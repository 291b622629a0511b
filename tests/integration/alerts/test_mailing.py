"""Mail is handed to a real SMTP server over TLS, or a sentence says why not."""

import asyncio
import ssl
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any

import msgspec
import pytest
import trustme

from app.alerts.delivering import Office, deliver_all
from app.alerts.mailing import Mailer
from app.alerts.relays import Relay
from app.alerts.sealing import Secrets, seal
from app.connections.keys import keys_of
from app.http import EgressPolicy
from app.http.mail import PORTS, MailWays
from tests.fixtures.mailbox import PASSWORD, USER, Mailbox, running
from tests.integration.alerts.conftest import Scene

pytestmark = pytest.mark.integration

AUTHORITY = trustme.CA()
CA_PEM = AUTHORITY.cert_pem.bytes().decode()
TO = ("one@acme.test", "two@acme.test")


def a_message(text: str = "It failed.\n.\n..dots\n") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Évènement", "alerts@acme.test", ", ".join(TO)
    mail.set_content(text)
    return mail


@asynccontextmanager
async def mailbox(*, implicit: bool, name: str = "localhost") -> AsyncIterator[Mailbox]:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert(name).configure_cert(tls)
    async with running(tls, implicit=implicit) as box:
        yield box


@pytest.fixture(params=["tls", "starttls"])
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Mailbox]:
    async with mailbox(implicit=request.param == "tls") as found:
        found.security = request.param  # type: ignore[attr-defined]  # for the tests below
        yield found


def relay(box: Mailbox, **given: Any) -> Relay:
    values = {"host": "localhost", "port": box.port, "security": getattr(box, "security", "starttls")}
    values |= {"sender": "alerts@acme.test", "username": USER, "password": PASSWORD, "tls_ca_pem": CA_PEM}
    return Relay(**{**values, **given})


@pytest.fixture
async def mailer() -> AsyncIterator[Mailer]:
    made = Mailer(MailWays(EgressPolicy(("localhost",), ports=PORTS)), patience_seconds=3)
    yield made
    made.close()


async def test_a_letter_arrives_encrypted_and_whole(box: Mailbox, mailer: Mailer) -> None:
    outcome = await mailer.send(relay(box), TO, a_message())

    assert (outcome.ok, outcome.sentence) == (True, "The mail server took the message.")
    (letter,) = box.letters
    assert (letter.sender, letter.recipients) == ("alerts@acme.test", list(TO))
    assert letter.is_encrypted
    assert letter.is_signed_in
    assert letter.message["Subject"] == "Évènement"
    assert letter.message.get_content().splitlines() == ["It failed.", ".", "..dots"]


@pytest.mark.parametrize(("kinds", "ok"), [("LOGIN", True), ("CRAM-MD5", False), ("", False)])
async def test_both_common_ways_to_sign_in_are_known(box: Mailbox, mailer: Mailer, kinds: str, *, ok: bool) -> None:
    box.sign_ins = kinds

    outcome = await mailer.send(relay(box), TO, a_message())

    assert outcome.ok is ok
    if not ok:
        assert "nor the sign-in that is wanted" in outcome.sentence
        assert "AUTH" not in box.commands


async def test_a_server_without_sign_in_is_not_shown_any(box: Mailbox, mailer: Mailer) -> None:
    box.wants_sign_in = False

    assert (await mailer.send(relay(box, username=None, password=None), TO, a_message())).ok

    assert "AUTH" not in box.commands


@pytest.mark.parametrize(
    ("answers", "sentence", "is_final"),
    [
        ({"AUTH": "535 5.7.8 <one@acme.test> no"}, "does not accept user name and password", False),
        ({"MAIL": "550 5.7.1 not you, alerts@acme.test"}, "refused the message (550)", True),
        ({"MAIL": "451 later"}, "refused the message (451)", False),
        ({"RCPT": "550 5.1.1 one@acme.test is unknown"}, "refused every recipient (550)", True),
        ({"RCPT": "450 grey list"}, "refused every recipient (450)", False),
        ({".": "554 5.7.1 spam"}, "refused the message (554)", True),
        ({"EHLO": "421 too busy", "HELO": "421 too busy"}, "not ready (421)", False),
    ],
)
async def test_a_refusal_is_told_by_its_code_never_by_an_address(
    box: Mailbox, mailer: Mailer, answers: dict[str, str], sentence: str, *, is_final: bool
) -> None:
    box.answers = answers

    outcome = await mailer.send(relay(box), TO, a_message())

    assert not outcome.ok
    assert sentence in outcome.sentence
    assert "@" not in outcome.sentence
    assert outcome.is_final is is_final
    assert len(box.letters) == ("." in answers)  # only there it got that far


async def test_some_refused_recipients_do_not_keep_it_from_the_others(box: Mailbox, mailer: Mailer) -> None:
    box.refused = {"one@acme.test"}

    outcome = await mailer.send(relay(box), TO, a_message())

    assert (outcome.ok, outcome.sentence) == (True, "The mail server refused 1 of 2 recipients.")
    assert box.letters[0].recipients == ["two@acme.test"]


async def test_without_starttls_nothing_is_said_in_the_clear(mailer: Mailer) -> None:
    async with mailbox(implicit=False) as box:
        box.offers_starttls = False
        outcome = await mailer.send(relay(box), TO, a_message())

    assert "offers neither the encryption" in outcome.sentence
    assert box.commands[:1] == ["EHLO"]
    assert not {"AUTH", "MAIL", "DATA"} & set(box.commands)


async def test_a_certificate_of_nobody_we_trust_ends_it(box: Mailbox, mailer: Mailer) -> None:
    outcome = await mailer.send(relay(box, tls_ca_pem=None), TO, a_message())

    assert outcome.sentence == "The certificate of the mail server is not trusted."
    assert not {"AUTH", "MAIL"} & set(box.commands)


async def test_a_certificate_of_another_name_ends_it(mailer: Mailer) -> None:
    async with mailbox(implicit=True, name="other.acme.test") as box:
        outcome = await mailer.send(relay(box, security="tls"), TO, a_message())

    assert outcome.sentence == "The certificate of the mail server is not trusted."


async def test_the_wrong_kind_of_tls_is_said(mailer: Mailer) -> None:
    async with mailbox(implicit=False) as box:
        outcome = await mailer.send(relay(box, security="tls"), TO, a_message())

    assert outcome.sentence == "The mail server does not speak TLS there; look at port and security."


@pytest.mark.parametrize("fault", ["is_silent", "is_endless"])
async def test_a_server_that_never_ends_holds_no_thread(mailer: Mailer, fault: str) -> None:
    before = {thread.name for thread in threading.enumerate()}
    async with mailbox(implicit=False) as box:
        setattr(box, fault, True)
        began = time.monotonic()
        outcomes = await asyncio.gather(*(mailer.send(relay(box), TO, a_message()) for _ in range(6)))
        assert time.monotonic() - began < 8
        setattr(box, fault, False)
        assert [outcome.ok for outcome in outcomes] == [False] * 6
        mailer.close()
        for _ in range(100):
            left = {thread.name for thread in threading.enumerate() if thread.name.startswith("mail")} - before
            if not left:
                break
            await asyncio.sleep(0.05)
    assert left == set()


async def test_who_waits_may_go_away(mailer: Mailer) -> None:
    async with mailbox(implicit=False) as box:
        box.is_silent = True
        task = asyncio.create_task(mailer.send(relay(box), TO, a_message()))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        box.is_silent = False
    assert box.letters == []


@pytest.mark.parametrize(
    ("host", "port", "sentence"),
    [
        ("127.0.0.1", 465, "leads to an address this service may not call"),
        ("169.254.169.254", 465, "leads to an address this service may not call"),
        ("93.184.216.34", 25, "Port 25 of 93.184.216.34 may not be called; allowed are 465, 587, 2525."),
        ("nowhere.invalid", 465, "The name nowhere.invalid cannot be resolved."),
    ],
)
async def test_the_egress_rules_hold_for_servers_that_tenants_name(
    mailer: Mailer, host: str, port: int, sentence: str
) -> None:
    named = Relay(host, port, "tls", "alerts@acme.test")

    outcome = await mailer.send(named, TO, a_message())

    assert sentence in outcome.sentence


async def test_the_operators_own_server_may_be_private() -> None:
    mailer = Mailer(MailWays(EgressPolicy(ports=PORTS)), patience_seconds=3)
    async with mailbox(implicit=False) as box:
        refused = await mailer.send(relay(box), TO, a_message())
        taken = await mailer.send(relay(box, guarded=False), TO, a_message())
    mailer.close()

    assert (refused.ok, taken.ok) == (False, True)


async def test_an_alert_is_mailed_once_with_the_same_message_id_on_every_attempt(scene: Scene, box: Mailbox) -> None:
    resources = scene.resources
    channel = await scene.channel("run.failed")
    keys = await keys_of(resources.database, resources.vault, scene.tenant_id)
    assert keys is not None
    sent = relay(box)
    smtp = {name: getattr(sent, name) for name in ("port", "security", "username")}
    settings = {"tls_ca_pem": CA_PEM, "smtp": {**smtp, "host": "localhost", "from_address": sent.sender}}
    await scene.execute(
        "update alert_channel set kind = 'email', url = null, settings = $2::varchar::jsonb, sealed = $3"
        " where tenant_id = $1",
        msgspec.json.encode(settings).decode(),
        seal(keys, channel, Secrets(recipients=TO, smtp_password=PASSWORD)),
    )
    office = Office(resources.database, resources.vault, resources.courier, (0.01,))
    run = await scene.run("failed", reason="The key was revoked.")
    await scene.look()
    box.answers = {".": "451 try again"}
    await deliver_all(office)
    box.answers = {}
    for _ in range(5):
        await asyncio.sleep(0.02)
        await scene.look()
        await deliver_all(office)

    first, second = box.letters
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert second.recipients == list(TO)
    assert second.message["Subject"] == "[ml-connector] Run failed: customers to newsletter"
    assert "The key was revoked." in second.message.get_content()
    assert f"/runs/{run}" in second.message.get_content()
    assert [tuple(row) for row in await scene.fetch("select state, attempts from alert_delivery")] == [("delivered", 2)]
