"""Alert channels and alerts over the API: checked when said, secrets shown once, whom was told what."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from app.alerts.delivering import Office, deliver_all
from app.alerts.forgetting import forget_old
from app.alerts.mailing import Mailer
from app.alerts.relays import operators_relay
from app.db.base import now
from app.domain.alerting import KINDS
from app.http import EgressPolicy
from app.http.mail import PORTS, MailWays
from tests.fixtures.mailbox import PASSWORD, USER
from tests.integration.alerts.conftest import Scene
from tests.integration.alerts.receiver import Receiver, receiving
from tests.integration.alerts.test_mailing import CA_PEM, mailbox

pytestmark = pytest.mark.integration
ABSENT = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


@pytest.fixture
def office(scene: Scene) -> Office:
    return Office(scene.resources.database, scene.resources.vault, scene.resources.courier, (0.01,))


def a_hook(**given: Any) -> dict[str, Any]:
    return {"kind": "webhook", "name": "On call", "url": "https://ops.acme.test/hook", **given}


def a_mail(**given: Any) -> dict[str, Any]:
    smtp = {"host": "mail.acme.test", "username": "u", "password": "canary-password", "from_address": "a@acme.test"}
    return {"kind": "email", "name": "CRM", "recipients": ["crm@acme.test"], "smtp": smtp, **given}


async def made(scene: Scene, body: dict[str, Any]) -> dict[str, Any]:
    return await scene.api.made(f"{scene.tenant}/alert-channels", body)


async def refused(scene: Scene, body: dict[str, Any], method: str = "POST", at: str = "") -> tuple[str, str]:
    """(pointer, detail) of the one fault."""
    response = await scene.api.call(method, f"{scene.tenant}/alert-channels{at}", json=body)
    assert response.status_code == 422, response.text
    (error,) = response.json()["errors"]
    return error["pointer"], error["detail"]


async def changed(scene: Scene, channel: dict[str, Any], body: dict[str, Any], **given: Any) -> dict[str, Any]:
    at = f"{scene.tenant}/alert-channels/{channel['id']}"
    response = await scene.api.call("PATCH", at, json=body, **given)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def alerts(scene: Scene, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await scene.api.get(f"{scene.tenant}/alerts{query}")).json()["items"]
    return items


async def test_a_webhook_channel_has_defaults_and_shows_its_secret_once(scene: Scene) -> None:
    response = await scene.api.post(f"{scene.tenant}/alert-channels", a_hook())

    first = response.json()
    assert response.headers["etag"] == '"1"'
    assert first.pop("secret").startswith("whsec_")
    assert first["events"] == list(KINDS)
    assert first["thresholds"] == {
        "rejected_percent": 5.0,
        "freshness_factor": 3.0,
        "freshness_minutes": None,
        "credential_days": 5,
    }
    assert (first["state"], first["enabled"], first["recipients"], first["smtp"]) == ("untried", True, None, None)
    assert (await scene.api.get(response.headers["location"])).json() == first
    listed = (await scene.api.get(f"{scene.tenant}/alert-channels")).json()["items"]
    assert listed == [first]


async def test_no_secret_is_answered_again_or_stored_in_the_clear(scene: Scene) -> None:
    hook, mail = await made(scene, a_hook()), await made(scene, a_mail())
    secrets = [hook["secret"], "canary-password"]
    assert mail["secret"] is None
    assert mail["smtp"] == {
        "host": "mail.acme.test",
        "port": 465,
        "security": "tls",
        "username": "u",
        "from_address": "a@acme.test",
    }

    paths = ("alert-channels", f"alert-channels/{hook['id']}", f"alert-channels/{mail['id']}", "audit", "alerts")
    texts = [(await scene.api.get(f"{scene.tenant}/{path}")).text for path in paths]
    rows = [row["whole"] for row in await scene.fetch("select c::text as whole from alert_channel c")]

    assert [secret for secret in secrets for text in (*texts, *rows) if secret in text] == []
    assert [row for row in rows if "crm@acme.test" in row] == []


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (a_hook(url="ftp://ops.acme.test"), "/webhook/url"),
        (a_hook(url="https://user:pass@ops.acme.test"), "/webhook/url"),
        (a_hook(events=[]), "/webhook/events"),
        (a_hook(events=["everything"]), "/webhook/events/0"),
        (a_hook(events=["run.failed", "run.failed"]), "/webhook"),
        (a_hook(sync_ids=[ABSENT]), "/sync_ids"),
        (a_hook(tls_ca_pem="no certificate"), "/tls_ca_pem"),
        (a_hook(recipients=["a@b.test"]), "/webhook/recipients"),
        (a_hook(thresholds={"rejected_percent": 101}), "/webhook/thresholds/rejected_percent"),
        (a_mail(recipients=[]), "/email/recipients"),
        (a_mail(recipients=["a@b.test\r\nRCPT TO:<x@y.test>"]), "/email/recipients/0"),
        (a_mail(recipients=["Somebody <a@b.test>"]), "/email/recipients/0"),
        (a_mail(smtp=None), "/smtp"),
        (a_mail(smtp={"host": "a b", "from_address": "a@b.test"}), "/email/smtp/host"),
        (a_mail(smtp={"host": "m.test", "from_address": "a@b.test", "password": "x"}), "/smtp/username"),
        (a_mail(smtp={"host": "m.test", "from_address": "a@b.test", "username": "x"}), "/smtp/password"),
    ],
)
async def test_what_cannot_work_is_refused_with_its_place(scene: Scene, body: dict[str, Any], pointer: str) -> None:
    assert (await refused(scene, body))[0] == pointer


async def test_mail_in_the_clear_is_only_for_operators_who_permit_it(scene: Scene) -> None:
    smtp = {"host": "m.test", "security": "none", "from_address": "a@b.test"}
    assert (await made(scene, a_mail(smtp=smtp)))["smtp"]["port"] == 25
    object.__setattr__(scene.resources.settings, "egress_allow_http", False)

    assert await refused(scene, a_mail(smtp=smtp)) == ("/smtp/security", "Must be tls or starttls.")


async def test_a_password_goes_only_where_it_was_meant_for(scene: Scene) -> None:
    channel = await made(scene, a_mail())
    kept = {"host": "mail.acme.test", "username": "u", "from_address": "other@acme.test"}
    assert (await changed(scene, channel, {"smtp": kept}))["smtp"]["from_address"] == "other@acme.test"

    for name, value in (("host", "evil.test"), ("port", 2525), ("security", "starttls"), ("username", "v")):
        pointer, _ = await refused(scene, {"smtp": {**kept, name: value}}, "PATCH", f"/{channel['id']}")
        assert pointer == "/smtp/password"


async def test_changes_are_versioned_and_kept_to_the_kind(scene: Scene) -> None:
    channel = await made(scene, a_hook())
    at = f"{scene.tenant}/alert-channels/{channel['id']}"

    found = await changed(scene, channel, {"events": ["sync.stale"], "thresholds": {"freshness_minutes": 30}})

    assert (found["events"], found["thresholds"]["freshness_minutes"]) == (["sync.stale"], 30)
    assert found["thresholds"]["rejected_percent"] == 5.0
    response = await scene.api.call("PATCH", at, json={"name": "x"}, headers={"If-Match": '"1"'})
    assert response.status_code == 412
    assert (await refused(scene, {"recipients": ["a@b.test"]}, "PATCH", f"/{channel['id']}"))[0] == "/recipients"
    assert (await refused(scene, {"name": None}, "PATCH", f"/{channel['id']}"))[0] == "/name"
    assert (await scene.api.call("DELETE", at)).status_code == 204
    assert (await scene.api.get(at)).status_code == 404
    actions = [event["action"] for event in (await scene.api.get(f"{scene.tenant}/audit")).json()["items"]]
    assert actions[:3] == ["alert_channel.deleted", "alert_channel.changed", "alert_channel.created"]


async def test_a_tenant_has_a_bounded_number_of_channels(scene: Scene) -> None:
    for _ in range(20):
        await made(scene, a_hook())

    response = await scene.api.post(f"{scene.tenant}/alert-channels", a_hook())

    assert (response.status_code, response.json()["code"]) == (409, "too_many_channels")


async def test_from_failure_to_receiver_and_back_to_the_list(scene: Scene, receiver: Receiver, office: Office) -> None:
    channel = await made(scene, a_hook(url=receiver.url))
    await scene.run("failed", reason="The key was revoked.")
    await scene.look()
    (waiting,) = (await alerts(scene))[0]["deliveries"]
    assert (waiting["state"], waiting["attempts"], waiting["delivered_at"]) == ("pending", 0, None)

    await deliver_all(office)

    (delivery,) = receiver.deliveries
    assert delivery.proven_by(channel["secret"])
    (alert,) = await alerts(scene, "?state=open&kind=run.failed")
    (told,) = alert["deliveries"]
    assert (told["message_id"], told["channel_name"], told["state"]) == (delivery.id, "On call", "delivered")
    assert (told["last_status"], told["next_try_at"], told["in_digest"]) == (200, None, False)
    link = delivery.message["data"]["links"]["alert"]
    assert (await scene.api.get(f"/v1/{link.partition('/v1/')[2]}")).json() == alert
    assert await alerts(scene, "?state=resolved") == await alerts(scene, f"?sync_id={ABSENT}") == []
    assert (await scene.api.get(f"{scene.tenant}/alerts?kind=nonsense")).status_code == 422


async def test_what_a_digest_told_fared_as_the_digest(scene: Scene, receiver: Receiver, office: Office) -> None:
    await made(scene, a_hook(url=receiver.url))
    await scene.run("failed")
    await scene.set_sync(state="needs_attention", state_reason="Gone.")
    await scene.look()
    few = Office(office.database, office.vault, office.courier, (0.01,), most_a_minute=1)
    await deliver_all(few)

    found = [told for alert in await alerts(scene) for told in alert["deliveries"]]

    (digest,) = receiver.deliveries
    assert digest.message["type"] == "alerts.digest"
    assert {(each["message_id"], each["state"], each["in_digest"]) for each in found} == {
        (digest.id, "delivered", True)
    }


async def test_while_a_secret_is_replaced_both_sign(scene: Scene, receiver: Receiver, office: Office) -> None:
    channel = await made(scene, a_hook(url=receiver.url))
    at = f"{scene.tenant}/alert-channels/{channel['id']}/rotate"
    second = (await scene.api.post(at, {"grace_seconds": 3600})).json()["secret"]
    await scene.run("failed")
    await scene.look()
    await deliver_all(office)
    third = (await scene.api.post(at, {"grace_seconds": 0})).json()["secret"]
    await scene.run("succeeded")
    await scene.look()
    await deliver_all(office)

    opened, resolved = receiver.deliveries
    proofs = [[each.proven_by(secret) for secret in (channel["secret"], second, third)] for each in (opened, resolved)]
    assert proofs == [[True, True, False], [False, False, True]]
    mail = await made(scene, a_mail())
    response = await scene.api.post(f"{scene.tenant}/alert-channels/{mail['id']}/rotate")
    assert (response.status_code, response.json()["code"]) == (409, "wrong_kind")


async def test_a_test_message_is_sent_at_once_and_not_in_a_stream(scene: Scene, receiver: Receiver) -> None:
    channel = await made(scene, a_hook(url=receiver.url))
    at = f"{scene.tenant}/alert-channels/{channel['id']}"
    assert (await scene.api.post(f"{at}/test")).json() == {
        "ok": True,
        "status": 200,
        "sentence": "The receiver answered 200.",
    }
    (delivery,) = receiver.deliveries
    assert delivery.proven_by(channel["secret"])
    assert (delivery.message["type"], delivery.message["data"]["state"]) == ("alerts.test", "test")
    assert (await scene.api.get(at)).json()["state"] == "ok"

    again = await scene.api.post(f"{at}/test")

    assert (again.status_code, again.headers["retry-after"]) == (429, "10")
    assert len(receiver.deliveries) == 1


async def test_a_test_that_fails_is_an_answer_too(scene: Scene, receiver: Receiver) -> None:
    channel = await made(scene, a_hook(url=receiver.url))
    receiver.statuses = [500]
    at = f"{scene.tenant}/alert-channels/{channel['id']}"

    found = (await scene.api.post(f"{at}/test")).json()

    assert found == {"ok": False, "status": 500, "sentence": "The receiver answered 500."}
    shown = (await scene.api.get(at)).json()
    assert (shown["state"], shown["state_reason"]) == ("failing", "The receiver answered 500.")


async def test_a_test_by_mail(scene: Scene) -> None:
    async with mailbox(implicit=True) as box:
        scene.resources.courier._mailer = Mailer(MailWays(EgressPolicy(("localhost",))))
        smtp = {"host": "localhost", "port": box.port, "username": USER, "password": PASSWORD}
        body = a_mail(smtp={**smtp, "from_address": "a@acme.test"}, tls_ca_pem=CA_PEM)
        channel = await made(scene, body)
        found = (await scene.api.post(f"{scene.tenant}/alert-channels/{channel['id']}/test")).json()

    assert found == {"ok": True, "status": 250, "sentence": "The mail server took the message."}
    assert box.letters[0].recipients == ["crm@acme.test"]
    assert 'test of the alert channel "CRM"' in box.letters[0].message.get_content()


async def test_the_operators_server_carries_mail_of_channels_without_one(scene: Scene) -> None:
    async with mailbox(implicit=False) as box:
        box.wants_sign_in = False
        courier = scene.resources.courier
        courier.relay = operators_relay(f"smtp+plain://127.0.0.1:{box.port}", "alerts@operator.test")
        courier._mailer = Mailer(MailWays(EgressPolicy(ports=PORTS)))
        channel = await made(scene, a_mail(smtp=None))
        found = (await scene.api.post(f"{scene.tenant}/alert-channels/{channel['id']}/test")).json()

    assert found["ok"], found
    assert box.letters[0].sender == "alerts@operator.test"


async def test_a_channel_that_is_switched_off_is_told_nothing_and_catches_up_later(
    scene: Scene, receiver: Receiver, office: Office
) -> None:
    channel = await made(scene, a_hook(url=receiver.url))
    await scene.run("failed")
    await scene.look()
    await changed(scene, channel, {"enabled": False})
    await deliver_all(office)
    await scene.look()
    assert receiver.deliveries == []
    assert [told["state"] for told in (await alerts(scene))[0]["deliveries"]] == ["dropped"]

    await changed(scene, channel, {"enabled": True})
    await scene.look()
    await deliver_all(office)

    assert receiver.told == [("run.failed", "opened")]


async def test_a_channel_of_one_sync_hears_of_that_only(scene: Scene, receiver: Receiver, office: Office) -> None:
    await made(scene, a_hook(url=receiver.url, sync_ids=[str(scene.sync)]))
    await scene.execute(
        "insert into sync select (jsonb_populate_record(s, jsonb_build_object('id', gen_random_uuid()))).*"
        " from sync s where s.tenant_id = $1"
    )
    await scene.set_sync(state="needs_attention", state_reason="Gone.")
    await scene.look()
    await deliver_all(office)

    assert len(await alerts(scene)) == 2
    assert [each.message["data"]["sync_id"] for each in receiver.deliveries] == [str(scene.sync)]


async def test_another_tenants_channels_and_alerts_do_not_exist(scene: Scene) -> None:
    channel = await made(scene, a_hook())
    await scene.run("failed")
    await scene.look()
    (alert,) = await alerts(scene)
    other = await scene.api.tenant("other")
    stranger = await scene.api.caller(other, "admin")

    for path in (f"alert-channels/{channel['id']}", f"alerts/{alert['id']}"):
        assert (await stranger.get(f"{other}/{path}")).status_code == 404
        assert (await stranger.get(f"{scene.tenant}/{path}")).status_code == 404
    response = await stranger.post(f"{other}/alert-channels", a_hook(sync_ids=[str(scene.sync)]))
    assert response.json()["errors"][0]["pointer"] == "/sync_ids"


async def test_an_idempotent_creation_answers_the_same_secret(scene: Scene) -> None:
    headers = {"Idempotency-Key": "once"}

    first, second = await asyncio.gather(
        *(scene.api.post(f"{scene.tenant}/alert-channels", a_hook(), headers=headers) for _ in range(2))
    )

    statuses = sorted((first.status_code, second.status_code))
    assert statuses in ([201, 201], [201, 409])
    again = await scene.api.post(f"{scene.tenant}/alert-channels", a_hook(), headers=headers)
    assert again.json() == (first if first.status_code == 201 else second).json()
    assert len((await scene.api.get(f"{scene.tenant}/alert-channels")).json()["items"]) == 1


async def test_retention_drops_what_is_over_and_keeps_what_is_not(scene: Scene, office: Office) -> None:
    await made(scene, a_hook(url="http://127.0.0.1:9/"))
    await scene.run("failed")
    await scene.look()
    await scene.run("succeeded")
    await scene.set_sync(state="needs_attention", state_reason="Gone.")
    await scene.look()
    await deliver_all(Office(office.database, office.vault, office.courier, (60,), most_a_minute=1))
    phases = "select phase from alert_delivery order by phase"
    assert [row["phase"] for row in await scene.fetch(phases)] == ["digest", "opened", "opened", "resolved"]

    for _ in range(2):
        await forget_old(scene.resources.database, now() + timedelta(minutes=1))
        assert [alert["kind"] for alert in await alerts(scene)] == ["sync.needs_attention"]
        assert [row["phase"] for row in await scene.fetch(phases)] == ["digest", "opened"]

    await scene.set_sync(state="active")
    await scene.look()
    await forget_old(scene.resources.database, now() + timedelta(minutes=1))
    assert await alerts(scene) == await scene.fetch(phases) == []
