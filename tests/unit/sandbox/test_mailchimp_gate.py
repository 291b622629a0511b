"""The gate of the Mailchimp sandbox: specification, keys, connections, faults."""

import asyncio
import base64

import httpx
import pytest

from sandbox.mailchimp.app import MailchimpServer
from sandbox.mailchimp.state import MailchimpState


def test_every_operation_of_the_specification_has_a_handler(mailchimp_state: MailchimpState) -> None:
    server = MailchimpServer(mailchimp_state)

    assert set(server.handlers) == set(server.specification.operations)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/lists/unknown/members", 404),
        ("PUT", "/lists/0001lista1/members", 405),
        ("GET", "/lists?colour=red", 400),
        ("GET", "/lists?count=ten", 400),
        ("GET", "/lists?fields=lists.id&exclude_fields=lists.name", 400),
        ("GET", "/lists?fields=lists.colour", 400),
        ("GET", "/lists/0001lista1/members?status=gone", 400),
    ],
)
async def test_what_the_specification_does_not_know_is_refused(
    mailchimp: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await mailchimp.request(method, path)

    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert {"type", "title", "status", "detail", "instance"} <= set(answer.json())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "transactional"}, "email_address"),
        ({"email_address": 5, "status": "transactional"}, "email_address"),
        ({"email_address": "a@acme.test", "status": "archived"}, "status"),
        ({"email_address": "a@acme.test", "status": "pending", "colour": "red"}, "colour"),
        ({"email_address": "a@acme.test", "status": "pending", "vip": "yes"}, "vip"),
    ],
)
async def test_a_body_is_held_against_its_schema(
    mailchimp: httpx.AsyncClient, body: dict[str, object], field: str
) -> None:
    answer = await mailchimp.post("/lists/0001lista1/members", json=body)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_keys_work_as_basic_password_and_as_bearer(mailchimp: httpx.AsyncClient) -> None:
    key = mailchimp.headers["authorization"].removeprefix("Bearer ")
    basic = base64.b64encode(f"anything:{key}".encode()).decode()

    assert (await mailchimp.get("/ping", headers={"authorization": f"Basic {basic}"})).status_code == 200
    assert (await mailchimp.get("/ping")).json() == {"health_status": "Everything's Chimpy!"}
    wrong = await mailchimp.get("/ping", headers={"authorization": "Bearer wrong-us6"})
    assert (wrong.status_code, wrong.json()["title"]) == (401, "API Key Invalid")


async def test_the_eleventh_connection_is_refused(
    mailchimp: httpx.AsyncClient, mailchimp_state: MailchimpState
) -> None:
    mailchimp_state.settings.call_latency_seconds = 0.05
    answers = await asyncio.gather(*(mailchimp.get("/ping") for _ in range(14)))

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 4
    stats = (await mailchimp.get("http://mailchimp.test/_sandbox/stats")).json()
    assert (stats["max_in_flight"], stats["too_many_connections"]) == (11, 4)
    assert (await mailchimp.get("/ping")).status_code == 200


async def fault(client: httpx.AsyncClient, **fields: object) -> None:
    assert (await client.post("http://mailchimp.test/_sandbox/faults", json=fields)).status_code == 201


@pytest.mark.parametrize(
    ("kind", "status"),
    [("html", 200), ("html403", 403), ("throttled", 429), ("unavailable", 503), ("error", 500), ("refuse", 400),
     ("bad_gateway", 502), ("unauthorised", 401)],
)  # fmt: skip
async def test_a_fault_stands_instead_of_one_request(mailchimp: httpx.AsyncClient, kind: str, status: int) -> None:
    await fault(mailchimp, kind=kind, retry_after=3)
    struck = await mailchimp.get("/ping")

    assert struck.status_code == status
    assert "Chimpy" not in struck.text
    assert (await mailchimp.get("/ping")).json()["health_status"]


@pytest.mark.parametrize("kind", ["close", "hang", "close_mid_body", "apply_then_timeout"])
async def test_a_cut_connection_is_a_transport_error(
    mailchimp: httpx.AsyncClient, mailchimp_state: MailchimpState, kind: str
) -> None:
    await fault(mailchimp, kind=kind)
    with pytest.raises(httpx.TransportError):
        await mailchimp.get("/ping")
    assert mailchimp_state.requests["getPing"] == (1 if kind in ("close_mid_body", "apply_then_timeout") else 0)


async def test_faults_spare_match_and_end(mailchimp: httpx.AsyncClient) -> None:
    await fault(mailchimp, kind="unavailable", count=2, path="/ping$", after=1)
    statuses = [(await mailchimp.get("/ping")).status_code for _ in range(4)]

    assert statuses == [200, 503, 503, 200]
    await fault(mailchimp, kind="error", count=None)
    assert (await mailchimp.get("/lists")).status_code == 500
    await mailchimp.delete("http://mailchimp.test/_sandbox/faults")
    assert (await mailchimp.get("/lists")).status_code == 200
