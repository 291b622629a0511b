"""What /metrics tells of a real database: numbers that are true, labels that tell nothing personal."""

import asyncio
import subprocess
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.connectors.retrying import without_waiting
from app.main import create_app
from app.resources import Resources
from app.sync.opened import Pace
from app.sync.working import Workshop, work
from app.telemetry.counting import EngineCounters
from app.telemetry.measuring import Measuring
from tests.fixtures.tools import tool
from tests.integration.api.conftest import Api
from tests.integration.api.objects import furnish

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _measured_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.telemetry.measuring.KEPT_SECONDS", -1.0)


class Shown:
    """A page of metrics, taken apart."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))

    def value(self, name: str, **labels: str) -> float | None:
        wanted: Mapping[str, str] = labels
        for family in self.families:
            for sample in family.samples:
                if sample.name == name and wanted.items() <= sample.labels.items():
                    return float(sample.value)
        return None


async def shown(api: Api) -> Shown:
    response = await api.http.get("/metrics")
    assert response.status_code == 200
    return Shown(response.text)


async def execute(api: Api, statement: str, *values: Any) -> None:
    async with api.resources.database.pool.acquire() as connection:
        await connection.execute(statement, *values)


async def test_freshness_queue_and_dead_letters_are_those_of_the_database(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    tenant_id, sync_id = tenant.rpartition("/")[2], ids["syncs"]
    await execute(api, "update sync set watermark = clock_timestamp() - interval '3 hours'")
    await execute(api, "update sync_run set queued_at = clock_timestamp() - interval '90 seconds'")
    for number in range(2):
        await execute(
            api,
            "insert into dead_letter (tenant_id, id, sync_id, run_id, key, code, reason, message, state, attempts)"
            " values ($1, gen_random_uuid(), $2, $3, $4, $4, 'fake', 'x', 'open', 1)",
            UUID(tenant_id),
            UUID(sync_id),
            UUID(ids["runs"]),
            f"C{number}",
        )

    page = await shown(api)

    which = {"tenant_id": tenant_id, "sync_id": sync_id}
    assert page.value("mlc_database_measured") == 1
    assert page.value("mlc_sync_freshness_seconds", **which, stream="customers") == pytest.approx(10800, abs=60)
    assert page.value("mlc_sync_period_seconds", **which) == pytest.approx(86400, abs=3600)
    assert page.value("mlc_queue_age_seconds") == pytest.approx(90, abs=30)
    assert page.value("mlc_runs", state="queued") == 1
    assert page.value("mlc_runs", state="running") == 0
    assert page.value("mlc_dead_letters_open", **which) == 2
    assert page.value("mlc_syncs", state="active") == 1
    assert page.value("mlc_connections", system="sage_x3", state="unverified") is not None


async def test_a_run_behind_an_active_one_does_not_age_the_queue(api: Api) -> None:
    await furnish(api, await api.tenant())
    await execute(
        api,
        "insert into sync_run (tenant_id, id, sync_id, mode, dry_run, trigger, mapping_id, mapping_version, state,"
        " fence, attempt, stalls, cancel_requested, approved, n_read, n_created, n_updated, n_unchanged, n_skipped,"
        " n_rejected, skipped_by_reason, pages, warnings, lease_until) select tenant_id, gen_random_uuid(), sync_id,"
        " 'full', false, 'api', mapping_id, 1, 'running', 1, 1, 0, false, false, 0, 0, 0, 0, 0, 0, '{}', 0, '[]',"
        " clock_timestamp() - interval '1 minute' from sync_run",
    )
    await execute(api, "update sync_run set queued_at = clock_timestamp() - interval '1 hour' where state = 'queued'")

    page = await shown(api)

    assert page.value("mlc_queue_age_seconds") == 0
    assert page.value("mlc_orphaned_runs") == 1


async def test_a_renewed_token_has_an_age(api: Api) -> None:
    ids = await furnish(api, await api.tenant())
    await execute(
        api,
        "update connection set facts = facts || jsonb_build_object('token_renewed_at',"
        " clock_timestamp() - interval '2 days') where id = $1",
        UUID(ids["connections"]),
    )

    assert (await shown(api)).value("mlc_token_age_seconds", connection_id=ids["connections"]) == pytest.approx(
        172800, abs=60
    )


async def test_without_a_database_the_process_still_tells_what_it_counted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("app.db.engine.Database.system", gone)

    page = await shown(api)

    assert page.value("mlc_database_measured") == 0
    assert page.value("mlc_runs", state="queued") is None
    assert page.value("process_resident_memory_bytes")


async def test_many_questions_at_once_are_one_look_at_the_database(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.telemetry.measuring.KEPT_SECONDS", 5.0)
    measuring, looks = Measuring(resources.database), []
    measured = measuring._measured

    async def counted() -> Any:
        looks.append(1)
        return await measured()

    monkeypatch.setattr(measuring, "_measured", counted)
    await asyncio.gather(*(measuring.families() for _ in range(20)))

    assert len(looks) == 1


async def test_with_a_port_of_its_own_the_public_one_shows_no_metrics(resources: Resources) -> None:
    apart = resources.settings.model_copy(update={"metrics_listen": "127.0.0.1:9"})
    app = create_app(resources=_with(resources, apart))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as http:
        assert (await http.get("/metrics")).status_code == 404
        assert (await http.get("/healthz")).status_code == 200


def _with(resources: Resources, settings: Any) -> Resources:
    from dataclasses import replace

    return replace(resources, settings=settings)


async def test_taking_over_an_abandoned_run_is_counted(api: Api) -> None:
    tenant = await api.tenant()
    ids = await furnish(api, tenant)
    await execute(
        api,
        "update sync_run set state = 'running', started_at = clock_timestamp(), owner = 'gone',"
        " lease_until = clock_timestamp() - interval '1 second'",
    )
    before = (await shown(api)).value("mlc_lease_takeovers_total") or 0
    shop = Workshop(api.resources.opener, api.resources.queue, Pace(), EngineCounters())

    with without_waiting():
        result = await work(shop, UUID(tenant.rpartition("/")[2]), UUID(ids["runs"]))
    page = await shown(api)

    assert result in ("put_off", "ended")
    assert page.value("mlc_lease_takeovers_total") == before + 1
    assert page.value("mlc_runs_in_hand") == 0
    assert page.value("mlc_run_slices_total", result=result) is not None


async def test_prometheus_finds_nothing_to_complain_about(api: Api) -> None:
    await furnish(api, await api.tenant())
    checked = await asyncio.to_thread(
        subprocess.run,
        [tool("promtool", "prometheus"), "check", "metrics"],
        input=(await api.http.get("/metrics")).content,
        capture_output=True,
        check=False,
    )

    assert (checked.returncode, checked.stderr) == (0, b"")
