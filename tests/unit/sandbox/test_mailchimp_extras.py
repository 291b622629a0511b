"""Stores, batches, webhooks and OAuth of the Mailchimp sandbox."""

import asyncio
import io
import tarfile
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import msgspec

from sandbox.mailchimp.app import mailchimp_app
from sandbox.mailchimp.state import MailchimpState, subscriber_hash
from sandbox.mailchimp.webhooks import signature

LIST = "/lists/0001lista1"
STORE = {"id": "s1", "list_id": "0001lista1", "name": "EUR", "currency_code": "EUR", "is_syncing": True}
PRODUCT = {"id": "P1", "title": "Mug", "variants": [{"id": "P1", "title": "Mug"}]}
ORDER: dict[str, Any] = {
    "id": "INV1", "customer": {"id": "C1"}, "currency_code": "EUR", "order_total": 12.5,
    "lines": [{"id": "1", "product_id": "P1", "product_variant_id": "P1", "quantity": 1, "price": 12.5}],
}  # fmt: skip


async def test_an_order_needs_its_product_and_counts_for_its_customer(mailchimp: httpx.AsyncClient) -> None:
    assert (await mailchimp.post("/ecommerce/stores", json=STORE)).status_code == 200
    base = "/ecommerce/stores/s1"
    customer = {"id": "C1", "email_address": "c@acme.test", "opt_in_status": False}
    assert (await mailchimp.put(f"{base}/customers/C1", json=customer)).status_code == 200
    early = await mailchimp.put(f"{base}/orders/INV1", json=ORDER)
    assert early.json()["detail"] == "A product with the provided ID does not exist in the account for this list."

    assert (await mailchimp.put(f"{base}/products/P1", json=PRODUCT)).status_code == 200
    for _ in range(2):
        assert (await mailchimp.put(f"{base}/orders/INV1", json=ORDER)).status_code == 200
    found = (await mailchimp.get(f"{base}/customers/C1")).json()
    assert (found["orders_count"], found["total_spent"]) == (1, 12.5)
    assert (await mailchimp.get(f"{LIST}/members/c@acme.test")).json()["status"] == "transactional"
    moved = await mailchimp.put(f"{base}/customers/C1", json=customer | {"email_address": "d@acme.test"})
    assert (moved.json()["title"], "not be changed" in moved.json()["detail"]) == ("Customer Was Not Saved", True)


async def test_a_store_customer_never_changes_a_known_contact(mailchimp: httpx.AsyncClient) -> None:
    await mailchimp.post("/ecommerce/stores", json=STORE)
    await mailchimp.post(f"{LIST}/members", json={"email_address": "c@acme.test", "status": "unsubscribed"})
    customer = {"id": "C1", "email_address": "c@acme.test", "opt_in_status": True}
    await mailchimp.put("/ecommerce/stores/s1/customers/C1", json=customer)

    assert (await mailchimp.get(f"{LIST}/members/c@acme.test")).json()["status"] == "unsubscribed"


async def test_batch_results_are_in_an_archive_whose_address_dies(
    mailchimp: httpx.AsyncClient, mailchimp_state: MailchimpState
) -> None:
    hash_ = subscriber_hash("a@acme.test")
    body = '{"email_address":"a@acme.test","status_if_new":"transactional"}'
    operations = [
        {"method": "PUT", "path": f"{LIST}/members/{hash_}", "operation_id": "one", "body": body},
        {"method": "GET", "path": f"{LIST}/members/nobody@acme.test", "operation_id": "two"},
    ]
    batch = (await mailchimp.post("/batches", json={"operations": operations})).json()
    while batch["status"] != "finished":
        await asyncio.sleep(0)
        batch = (await mailchimp.get(f"/batches/{batch['id']}")).json()
    assert (batch["finished_operations"], batch["errored_operations"]) == (2, 1)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(mailchimp_app(mailchimp_state))) as storage:
        archive = await storage.get(batch["response_body_url"])
        mailchimp_state.clock = lambda: 4_000_000_000
        assert (await storage.get(batch["response_body_url"])).status_code == 403
    results: dict[str, Any] = {}
    with tarfile.open(fileobj=io.BytesIO(archive.content), mode="r:gz") as tar:
        for name in tar.getnames():
            if (opened := tar.extractfile(name)) is not None:
                results |= {one["operation_id"]: one for one in msgspec.json.decode(opened.read())}
    assert {key: one["status_code"] for key, one in results.items()} == {"one": 200, "two": 404}
    assert msgspec.json.decode(results["one"]["response"])["email_address"] == "a@acme.test"


class Receiver:
    """A webhook receiver that keeps what it gets; answers `statuses` in turn, then 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.got: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.got.append(request)
            return httpx.Response(self.statuses.pop(0) if self.statuses else 200)
        return httpx.Response(404 if request.url.path == "/missing" else 200)


async def test_a_hook_is_checked_signed_and_delivered_by_source(mailchimp_state: MailchimpState) -> None:
    mailchimp_state.settings.webhook_retry_seconds = (0, 0)
    receiver = Receiver(500)
    key = min(mailchimp_state.accounts[0].users[0].credentials)
    async with (
        httpx.AsyncClient(transport=httpx.MockTransport(receiver)) as outside,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(mailchimp_app(mailchimp_state, http=outside)),
            base_url="http://mailchimp.test/3.0", headers={"authorization": f"Bearer {key}"},
        ) as client,
    ):  # fmt: skip
        events = dict.fromkeys(("subscribe", "unsubscribe", "profile", "cleaned", "upemail", "campaign"), True)
        body = {
            "url": "http://hooks.test/missing",
            "events": events,
            "sources": {"user": True, "admin": True, "api": False},
        }
        refused = await client.post(f"{LIST}/webhooks", json=body)
        assert "We couldn't verify the URL is working" in refused.json()["detail"]
        hook = (await client.post(f"{LIST}/webhooks", json=body | {"url": "http://hooks.test/t7/secret"})).json()
        again = await client.post(f"{LIST}/webhooks", json=body | {"url": "http://hooks.test/t7/secret?x=1"})
        assert again.status_code == 400
        assert "signing_secret" not in (await client.get(f"{LIST}/webhooks/{hook['id']}")).json()

        await client.post(f"{LIST}/members", json={"email_address": "a@acme.test", "status": "subscribed"})
        await client.post("http://mailchimp.test/_sandbox/unsubscribe", json={"email": "a@acme.test"})
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(receiver.got) == 2  # refused once, then taken; our own write was not told
        request = receiver.got[-1]
        fields = dict(parse_qsl(request.content.decode()))
        assert (fields["type"], fields["data[email]"], fields["data[action]"]) == (
            "unsubscribe",
            "a@acme.test",
            "unsub",
        )
        header = request.headers["x-mailchimp-signature"]
        at = int(header.split(",")[0].removeprefix("t="))
        assert header == signature(hook["signing_secret"], at, request.content)


def test_the_signature_is_that_of_the_reference() -> None:
    body = b"type=unsubscribe&fired_at=2026-01-02+03%3A04%3A05&data%5Baction%5D=unsub&data%5Bid%5D=8a25ff1d98&"
    body += b"data%5Blist_id%5D=a6b5da1054&data%5Bemail%5D=ada%40example.org"

    assert signature("test-signing-secret", 1718000000, body).endswith(
        "v1=885c588d99e6a038b5b8596b2957155e8e543ba474f188282aae9cce941d8e0d"
    )


async def test_an_authorization_code_becomes_a_token_once(mailchimp_state: MailchimpState) -> None:
    transport = httpx.ASGITransport(mailchimp_app(mailchimp_state))
    async with httpx.AsyncClient(transport=transport, base_url="http://mailchimp.test") as client:
        settings = mailchimp_state.settings
        redirect = "http://127.0.0.1/oauth/callback/mailchimp"
        params = {"response_type": "code", "client_id": settings.client_id, "redirect_uri": redirect, "state": "s"}
        location = (await client.get("/oauth2/authorize", params=params)).headers["location"]
        code = parse_qs(urlsplit(location).query)["code"][0]
        form = {
            "grant_type": "authorization_code", "client_id": settings.client_id,
            "client_secret": settings.client_secret, "redirect_uri": redirect, "code": code,
        }  # fmt: skip
        token = (await client.post("/oauth2/token", data=form)).json()["access_token"]
        assert (await client.post("/oauth2/token", data=form)).status_code == 400

        metadata = await client.get("/oauth2/metadata", headers={"authorization": f"OAuth {token}"})
        assert metadata.json()["dc"] == "us6"
        assert (await client.get("/oauth2/metadata", headers={"authorization": f"Bearer {token}"})).status_code == 401
        ping = await client.get(
            f"{metadata.json()['api_endpoint']}/3.0/ping", headers={"authorization": f"Bearer {token}"}
        )
        assert ping.status_code == 200
