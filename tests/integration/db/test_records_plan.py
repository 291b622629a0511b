"""The cost of looking a page up must not depend on how many records a tenant has, analysed or not."""

import json
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.db import records
from app.db.engine import Database

pytestmark = pytest.mark.integration

PAGE = 50
FILL = """
    insert into record (tenant_id, sync_id, run_id, mapping_version, key, code, state, member_hash, tags, flags,
                        is_active)
    select $1, $2, $2, 1, 'C' || n, 'C' || n, 'synced', sha256(n::text::bytea), '', 0, true
    from generate_series(1, $3) n
"""
MIRROR = """
    insert into audience_member (tenant_id, audience_id, member_hash, status)
    select $1, $2, sha256(n::text::bytea), 'subscribed' from generate_series(1, $3) n
"""


async def rows_touched(database: Database, tenant: UUID, sync: UUID, audience: UUID) -> tuple[int, str]:
    """Rows that any node of the plan read, returned or threw away, for one page of known keys with new addresses."""
    keys = [f"C{n}" for n in range(100, 100 + PAGE)]
    hashes = [sha256(str(n + 1).encode()).digest() for n in range(100, 100 + PAGE)]
    async with database.transaction(tenant) as connection:
        found = await records.look_up(connection, tenant, sync, audience, keys, hashes)
        plan = await connection.fetchval(
            f"explain (analyze, format json) {records.LOOK_UP}", tenant, sync, audience, keys, hashes
        )
    assert len(found) == PAGE
    assert all(known.owner is not None and known.status == "subscribed" for known in found.values())
    text = plan if isinstance(plan, str) else json.dumps(plan)
    return sum(touched(json.loads(text)[0]["Plan"])), text


def touched(node: dict[str, Any]) -> list[int]:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    inner = [each for child in node.get("Plans", ()) for each in touched(child)]
    return [int((node["Actual Rows"] + removed) * node["Actual Loops"]), *inner]


@pytest.mark.parametrize("analysed", [False, True])
async def test_a_page_costs_the_same_however_many_records_a_tenant_has(database: Database, analysed: bool) -> None:
    tenant, sync, audience = uuid4(), uuid4(), uuid4()
    for statement in (f"explain {records.LOOK_UP}",) * 7:  # plans are made, and kept, while the tables are empty
        async with database.transaction(tenant) as connection:
            await connection.fetch(statement, tenant, sync, audience, ["C1"], [b"1"])
    async with database.pool.acquire() as connection, connection.transaction():
        await connection.execute("alter table record disable trigger all")
        await connection.execute("alter table audience_member disable trigger all")
        await connection.execute("set local session_replication_role = replica")
        await connection.execute(FILL, tenant, sync, 20_000)
        await connection.execute(MIRROR, tenant, audience, 20_000)
    if analysed:
        async with database.pool.acquire() as connection:
            await connection.execute("analyze")

    rows, plan = await rows_touched(database, tenant, sync, audience)

    assert rows < 30 * PAGE, plan
