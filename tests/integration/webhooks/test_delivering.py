"""From a person's click at Mailchimp to mirror, consent ledger, audit trail and timeline; nothing reaches X3."""

import asyncio
import time
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from app.connectors.mailchimp.signatures import mandrill_signature
from sandbox.mailchimp.webhooks import signature
from tests.fixtures.site import Site

pytestmark = pytest.mark.integration

FORM = {"content-type": "application/x-www-form-urlencoded"}
ADA, EVE = "Ada@acme.test", "eve@acme.test"


async def send(url: str, body: bytes, method: str = "POST", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as http:
        return await http.request(method, url, content=body, headers={**FORM, **headers})


def a_body(site: Site, type_: str = "unsubscribe", email: str = ADA, **data: str) -> bytes:
    fields = {"id": "8a25ff1d98", "list_id": site.list_id, "email": email, **data}
    pairs = {f"data[{name}]": value for name, value in fields.items()}
    return urlencode({"type": type_, "fired_at": "2026-01-02 03:04:05", **pairs}).encode()


async def signed(site: Site, url: str, body: bytes, at: float | None = None) -> httpx.Response:
    secret = next(hook["secret"] for hook in await site.registered() if hook["url"] == url)
    return await send(url, body, **{"x-mailchimp-signature": signature(secret, int(at or time.time()), body)})


async def test_what_people_do_at_mailchimp_arrives_signed_and_takes_effect(site: Site) -> None:
    await site.join(ADA, EVE)
    await site.mirrored()
    await site.hook()
    before = await site.x3_requests()

    await site.mailchimp("POST", "unsubscribe", json={"email": ADA})
    await site.mailchimp("POST", "clean", json={"email": EVE})
    events = await site.arrived(2)

    assert {(e["type"], e["email"], e["outcome"], e["signed"], e["deliveries"]) for e in events} == {
        ("unsubscribe", ADA, "applied", True, 1),
        ("cleaned", EVE, "applied", True, 1),
    }
    assert [await site.status(ADA), await site.status(EVE)] == ["unsubscribed", "cleaned"]
    assert await site.consent(ADA.upper()) == [
        (None, "subscribed", "mirror_pull"),
        ("subscribed", "unsubscribed", "webhook"),
    ]
    assert await site.x3_requests() == before
    assert (await site.api.get(f"{site.tenant}/audit/verify")).json()["ok"]


async def test_a_records_timeline_tells_what_its_person_did(site: Site) -> None:
    await site.customers({"code": "ZADA", "name": "Acme", "emails": [ADA], "is_active": True})
    sync = await site.sync(new_member_status="subscribed")
    await site.carry(sync)
    await site.hook()
    await site.mailchimp("POST", "unsubscribe", json={"email": ADA})
    await site.arrived(1)

    (record,) = (await site.api.get(f"{site.tenant}/records", params={"code": "ZADA"})).json()["items"]
    timeline = (await site.api.get(f"{site.tenant}/records/{record['id']}/timeline")).json()["items"]

    told = [(event["action"], event["actor"], event["decision"]) for event in timeline]
    assert told == [
        ("member.created", "run", "created"),
        ("consent.noted", "webhook", None),
        ("webhook.unsubscribe", "webhook", "applied"),
    ]
    assert timeline[1]["fields"] == {"status": {"before": "subscribed", "after": "unsubscribed"}}


async def test_every_other_event_is_noted_and_changes_nothing(site: Site) -> None:
    await site.join(ADA, EVE)
    await site.mirrored()
    await site.hook()

    await site.mailchimp("POST", "profile", json={"email": ADA, "merge_fields": {"FNAME": "Ada"}})
    await site.mailchimp("POST", "profile", json={"email": EVE, "new_email": "eva@acme.test"})
    await site.mailchimp("POST", "event", json={"type": "campaign", "data": {"id": "c1", "status": "sent"}})
    events = await site.arrived(4)

    assert {e["outcome"] for e in events} == {"logged"}
    assert {"profile", "upemail", "campaign"} <= {e["type"] for e in events}
    assert [await site.status(e) for e in (ADA, EVE, "eva@acme.test")] == ["subscribed", "subscribed", None]
    moved = next(e for e in events if e["type"] == "upemail")
    assert (moved["email"], moved["former_email"]) == ("eva@acme.test", EVE)
    assert (await site.consent("eva@acme.test")) == [(None, "subscribed", "webhook")]
    found = (await site.api.get(f"{site.tenant}/webhook-events", params={"email": EVE})).json()["items"]
    assert moved["id"] in [e["id"] for e in found]


async def test_an_event_never_raises_anybody(site: Site) -> None:
    await site.join(ADA)
    await site.mirrored()
    made = await site.hook()
    await site.mailchimp("POST", "unsubscribe", json={"email": ADA})
    await site.arrived(1)

    assert (await signed(site, made["url"], a_body(site, "subscribe"))).status_code == 200
    await site.arrived(2)

    assert await site.status(ADA) == "unsubscribed"
    assert (await site.consent(ADA))[-1] == ("unsubscribed", "subscribed", "webhook")


async def test_the_same_event_twice_is_one(site: Site) -> None:
    made = await site.hook()

    for _ in range(3):
        assert (await signed(site, made["url"], a_body(site))).status_code == 200
    other_spelling = a_body(site) + b"&data%5Bmerges%5D%5BFNAME%5D=Ada"
    assert (await signed(site, made["url"], other_spelling)).status_code == 200
    turned = (await site.api.post(f"{site.hooks}/{made['id']}/rotate")).json()
    assert (await signed(site, turned["url"], a_body(site))).status_code == 200

    (event,) = await site.arrived(1)
    assert event["deliveries"] == 5
    assert len(await site.audited("webhook.unsubscribe")) == 1


async def test_a_missing_or_wrong_signature_is_refused_and_nothing_kept(site: Site) -> None:
    made = await site.hook()
    body = a_body(site)

    answers = [
        await send(made["url"], body),
        await send(made["url"], body, **{"x-mailchimp-signature": f"t={int(time.time())},v1={'0' * 64}"}),
        await signed(site, made["url"], body, at=time.time() - 400),
    ]
    secret = (await site.registered())[0]["secret"]
    header = signature(secret, int(time.time()), body)
    answers.append(await send(made["url"], body + b"x", **{"x-mailchimp-signature": header}))

    assert [answer.status_code for answer in answers] == [400] * 4
    assert {answer.json()["code"] for answer in answers} == {"bad_signature"}
    assert await site.fetch("select id from webhook_event") == []


async def test_a_hook_made_before_signing_relies_on_its_path(site: Site) -> None:
    await site.mailchimp("PATCH", "settings", json={"sign_webhooks": False})
    made = await site.hook()

    assert (await send(made["url"], a_body(site))).status_code == 200

    (event,) = await site.arrived(1)
    assert (event["signed"], event["outcome"]) == (False, "applied")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"", None), (b"type=", None), (b"\xff\xfe", None), (b'{"type":"unsubscribe"}', "application/json")],
)
async def test_an_authentic_body_that_makes_no_sense_is_kept_and_told(
    site: Site, body: bytes, content_type: str | None
) -> None:
    made = await site.hook()
    secret = (await site.registered())[0]["secret"]
    headers = {"x-mailchimp-signature": signature(secret, int(time.time()), body)}
    if content_type:
        headers["content-type"] = content_type

    assert (await send(made["url"], body, **headers)).status_code == 200

    (event,) = await site.arrived(1)
    assert (event["type"], event["outcome"], event["state"]) == ("malformed", "malformed", "processed")
    assert [e["object_id"] for e in await site.audited("webhook.malformed")] == [event["id"]]


async def test_unknown_paths_are_all_alike(site: Site) -> None:
    made = await site.hook()
    base, _, segment = made["url"].rpartition("/")
    paths = ["x", "0" * 55, segment[:-1], segment + "0", segment[:12] + "0" * 43, "0" * 12 + segment[12:], "é" * 55]

    answers = [
        await send(f"{base}/{path}", body, method)
        for path in paths
        for method, body in (("GET", b""), ("POST", a_body(site)), ("PUT", b""), ("POST", b"x" * 3_000_000))
    ]
    wrong_vendor = await send(f"{site.url}/hooks/mandrill/{segment}", b"mandrill_events=%5B%5D")

    assert {answer.status_code for answer in (*answers, wrong_vendor)} == {404}
    assert len({answer.content for answer in (*answers, wrong_vendor)}) == 1


async def test_too_large_a_body_and_other_methods_are_refused(site: Site) -> None:
    made = await site.hook()

    assert (await send(made["url"], b"x" * (256 * 1024 + 1))).status_code == 413
    assert (await send(made["url"], b"", "DELETE")).status_code == 405
    assert (await signed(site, made["url"], a_body(site) + b"&a=" + b"x" * 250_000)).status_code == 200


async def test_an_event_of_another_audience_is_not_applied(site: Site) -> None:
    made = await site.hook()

    assert (await signed(site, made["url"], a_body(site, list_id="other"))).status_code == 200

    (event,) = await site.arrived(1)
    assert event["outcome"] == "foreign"
    assert await site.status(ADA) is None


async def test_a_finished_batch_is_told(site: Site) -> None:
    made = await site.hook(kind="batch")
    body = urlencode({"type": "batch_operation_completed", "fired_at": "2026-01-02 03:04:05", "data[id]": "b1"})

    await site.mailchimp("PATCH", "settings", json={"sign_webhooks": False})
    answer = await send(made["url"], body.encode())

    assert answer.status_code == 400  # this one has a secret
    await site.mailchimp("PATCH", "settings", json={"sign_webhooks": True})
    batch = await site.call("POST", "/batches", json={"operations": [{"method": "GET", "path": "/ping"}]})
    (event,) = await site.arrived(1)
    assert (event["type"], event["outcome"]) == ("batch_operation_completed", "logged")
    assert event["data"]["data[id]"] == batch["id"]
    assert len(await site.audited("webhook.batch_completed")) == 1


async def test_mandrill_delivers_lists_of_signed_events(site: Site) -> None:
    made = await site.hook(kind="transactional")
    url = made["url"]
    events = (
        '[{"event":"hard_bounce","ts":1718000000,"_id":"m1","msg":{"email":"Ada@acme.test"}},'
        '{"event":"open","ts":1718000001,"_id":"m1","msg":{"email":"Ada@acme.test"}},'
        '{"event":"open","ts":1718000001,"_id":"m1","msg":{"email":"Ada@acme.test"}}]'
    )

    async def deliver(events: str, key: str) -> int:
        proof = mandrill_signature(key, url, [("mandrill_events", events)]).decode()
        body = urlencode({"mandrill_events": events}).encode()
        return (await send(url, body, **{"x-mandrill-signature": proof})).status_code

    assert (await send(url, b"", "HEAD")).status_code == 200
    assert await deliver("[]", "test-webhook") == 200
    assert await deliver(events, "test-webhook") == 400
    await site.api.call("PATCH", f"{site.hooks}/{made['id']}", json={"signing_key": "mandrills-key"})
    assert await deliver(events, "mandrills-key?") == 400
    assert await deliver(events, "mandrills-key") == 200
    assert await deliver(events, "mandrills-key") == 200
    assert (await send(url, b"\xff", **{"x-mandrill-signature": "x"})).status_code == 400
    assert await deliver("[1]", "mandrills-key") == 200

    found = await site.arrived(3)
    assert sorted((e["type"], e["email"], e["outcome"]) for e in found) == [
        ("hard_bounce", ADA, "logged"),
        ("malformed", None, "malformed"),
        ("open", ADA, "logged"),
    ]
    assert await site.consent(ADA) == [(None, "cleaned", "transactional")]
    assert await site.status(ADA) is None


async def test_lists_are_filtered_and_paged(site: Site) -> None:
    made = await site.hook()
    for number in range(5):
        body = a_body(site, email=f"c{number}@acme.test")
        assert (await signed(site, made["url"], body)).status_code == 200
    assert (await signed(site, made["url"], a_body(site, "profile"))).status_code == 200
    await site.arrived(6)
    events = f"{site.tenant}/webhook-events"

    first = (await site.api.get(f"{events}?type=unsubscribe&limit=3")).json()
    rest = (await site.api.get(f"{events}?type=unsubscribe&limit=3&cursor={first['next_cursor']}")).json()

    assert [e["email"] for e in (*first["items"], *rest["items"])] == [f"c{n}@acme.test" for n in (4, 3, 2, 1, 0)]
    assert rest["next_cursor"] is None
    assert (await site.api.get(f"{site.tenant}/webhook-events", params={"email": "nobody@x.test"})).json()[
        "items"
    ] == []
    assert (await site.api.get(f"{site.tenant}/consent")).status_code == 422


@pytest.mark.parametrize("site", [{"webhook_rate_per_second": 5}], indirect=True)
async def test_above_its_rate_a_path_is_answered_with_429_and_nothing_stored(site: Site) -> None:
    made = await site.hook()
    bodies = [a_body(site, email=f"c{number}@acme.test") for number in range(60)]
    secret = (await site.registered())[0]["secret"]

    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:

        async def one(body: bytes) -> httpx.Response:
            headers = {**FORM, "x-mailchimp-signature": signature(secret, int(time.time()), body)}
            return await http.post(made["url"], content=body, headers=headers)

        answers = await asyncio.gather(*map(one, bodies))

    taken = [answer for answer in answers if answer.status_code == 200]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(taken) + len(refused) == 60
    assert len(refused) >= 20
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert len(await site.fetch("select id from webhook_event")) == len(taken)


async def test_many_at_once_are_all_kept_and_repeats_among_them_counted(site: Site) -> None:
    """They share statements and commits; nobody notices."""
    url = (await site.hook())["url"]
    bodies = [a_body(site, email=f"p{n % 30}@acme.test", id=f"{n % 30:010x}") for n in range(60)]

    answers = await asyncio.gather(*(signed(site, url, body) for body in bodies))

    assert {answer.status_code for answer in answers} == {200}
    events = await site.arrived(30)
    assert [event["deliveries"] for event in events] == [2] * 30
    assert {event["email"] for event in events} == {f"p{n}@acme.test" for n in range(30)}


async def test_a_path_that_ended_a_moment_ago_takes_nothing_more(site: Site) -> None:
    """Deliveries do not look it up each time; the statement that stores asks all the same."""
    hook = await site.hook()
    assert (await signed(site, hook["url"], a_body(site))).status_code == 200
    secret = next(there["secret"] for there in await site.registered() if there["url"] == hook["url"])
    await site.api.call("DELETE", f"{site.hooks}/{hook['id']}")

    body = a_body(site, email=EVE)
    answer = await send(hook["url"], body, **{"x-mailchimp-signature": signature(secret, int(time.time()), body)})

    assert answer.status_code == 404
    assert [event["email"] for event in await site.arrived(1)] == [ADA]


async def test_another_signing_key_counts_from_the_next_delivery_on(site: Site) -> None:
    hook = await site.hook(kind="transactional")
    statuses = []
    for number, (entered, used) in enumerate((("first", "first"), ("second", "first"), ("second", "second"))):
        await site.api.call("PATCH", f"{site.hooks}/{hook['id']}", json={"signing_key": f"the-{entered}-key"})
        events = msgspec.json.encode([{"event": "open", "ts": number, "msg": {"email": ADA}}]).decode()
        proof = mandrill_signature(f"the-{used}-key", hook["url"], [("mandrill_events", events)]).decode()
        body = urlencode({"mandrill_events": events}).encode()
        statuses.append((await send(hook["url"], body, **{"x-mandrill-signature": proof})).status_code)

    assert statuses == [200, 400, 200]
