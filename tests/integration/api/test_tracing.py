"""One trace from the call of the API through the job to the vendors, as a collector receives it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from app.main import create_app
from app.resources import Resources
from app.sync.opened import Pace
from app.sync.working import Workshop
from app.telemetry.logs import redact_event
from app.telemetry.tracing import add_trace_ids, end_tracing, set_up_tracing, span, traceparent
from sandbox.data import Shares
from sandbox.server import Options, running
from tests.integration.api.conftest import Api
from tests.integration.api.objects import furnish
from tests.integration.api.test_journey import Place
from tests.integration.telemetry.collector import Collector, collecting
from workers.jobs import carry_run
from workers.tracing import traced

pytestmark = pytest.mark.integration

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = CALLER.split("-")[1]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    async with collecting() as found:
        set_up_tracing(found.url, "test")
        try:
            yield found
        finally:
            await asyncio.to_thread(end_tracing)


async def sent() -> None:
    """Everything is on its way to the collector."""
    await asyncio.to_thread(end_tracing)


async def test_a_call_its_job_and_its_vendor_calls_are_one_trace(api: Api, collector: Collector) -> None:
    async with running(Options(customers=20, suppliers=2, invoices=0, shares=Shares())) as vendors:
        place = await Place(api, vendors, await api.tenant()).furnish()
        await place.sync()
        path = f"{place.tenant}/syncs/{place.ids['sync']}/runs"
        run = await api.made(path, {"mode": "full"}, 202, headers={"traceparent": CALLER})
        tenant_id = place.tenant.rpartition("/")[2]
        shop = Workshop(api.resources.opener, api.resources.queue, Pace())
        await traced(carry_run)({"shop": shop, "resources": api.resources}, tenant_id, run["id"])
        await sent()

    (call,) = collector.named("POST /v1/tenants/{tenant_id}/syncs/{id}/runs")
    (job,) = collector.named("job carry_run")
    vendors_called = [each for each in collector.spans if each.parent_id == job.span_id]
    assert (call.trace_id, call.parent_id, call.process) == (TRACE, CALLER.split("-")[2], "ml-connector-test")
    assert call.attributes["http.response.status_code"] == 202
    assert (job.trace_id, job.parent_id) == (TRACE, call.span_id)
    assert (job.attributes["mlc.tenant_id"], job.attributes["mlc.row_id"]) == (tenant_id, run["id"])
    assert {each.attributes["mlc.vendor"] for each in vendors_called} == {"sage_x3", "mailchimp"}
    assert {each.trace_id for each in vendors_called} == {TRACE}
    assert "POST mailchimp/lists/{id}" in {each.name for each in vendors_called}
    assert all(each.attributes["mlc.outcome"] == "200" for each in vendors_called)


async def test_a_run_that_is_rung_for_again_stays_in_its_trace(api: Api, collector: Collector) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    queue = api.resources.queue
    with span("somebody", "server", CALLER):
        await queue.ring(UUID(tenant.rpartition("/")[2]), UUID(int=7))
        first = traceparent()

    with span("somebody else", "server"):
        await queue.ring(UUID(tenant.rpartition("/")[2]), UUID(int=7))

    assert await queue.trace_of(str(UUID(int=7))) == first
    assert first is not None
    assert first.split("-")[1] == TRACE
    assert await queue.trace_of(ids["runs"]) is not None


async def test_spans_hold_no_address_name_or_secret(api: Api, collector: Collector) -> None:
    tenant = await api.tenant(name="Canary Company")
    ids = await furnish(api, tenant)
    await api.get(f"{tenant}/records?email=canary-person@acme.test")
    await api.post(f"{tenant}/connections/{ids['connections']}/verify")
    await api.get("/hooks/mailchimp/canary-secret-path")
    await api.with_key("mlc_canarykey_canarysecret").get(tenant)
    await sent()

    everything = b"".join(collector.raw).lower()
    assert len(collector.spans) > 6
    assert b"canary" not in everything
    assert b"127.0.0.1" not in everything


async def test_a_failure_is_its_class_and_never_its_message(collector: Collector) -> None:
    def fail() -> None:
        raise RuntimeError("canary-person@acme.test")

    with pytest.raises(RuntimeError), span("broken", "consumer"):
        fail()
    await sent()

    (broken,) = collector.named("broken")
    assert (broken.failed, broken.events) == (True, 0)
    assert b"canary" not in b"".join(collector.raw)


async def test_log_lines_name_their_trace(collector: Collector) -> None:
    with span("work", "consumer", CALLER):
        line = redact_event(None, "info", add_trace_ids(None, "info", {"event": "page.carried"}))

    assert line["trace_id"] == TRACE
    assert len(line["span_id"]) == 16
    assert "trace_id" not in add_trace_ids(None, "info", {"event": "outside"})


async def test_what_probes_ask_has_no_span(api: Api, collector: Collector) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        await api.http.get(path)
    await sent()

    assert collector.spans == []


async def test_without_a_collector_nothing_is_traced_or_kept(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)

    assert traceparent() is None
    assert await api.resources.queue.trace_of(ids["runs"]) is None


async def test_a_collector_that_is_gone_costs_no_answer(resources: Resources) -> None:
    set_up_tracing("http://127.0.0.1:9", "test")
    try:
        transport = httpx.ASGITransport(create_app(resources=resources))
        async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as http:
            assert (await http.get("/v1/version")).status_code == 200
    finally:
        await asyncio.wait_for(asyncio.to_thread(end_tracing), 30)
