"""What runs decided, field by field: read back from the sealed change pages, with what stood there before."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from app.connections.vault import TenantKeys

PageId = tuple[UUID, int]


class Place(msgspec.Struct, frozen=True):
    """Where a listing goes on: page of the run, index in the page."""

    page: int
    index: int


class FieldChange(msgspec.Struct, frozen=True):
    """A merge field (or `language`, `tags`) of a member, or a property of an order; `before` is None when we have never
    written it."""

    before: Any
    after: Any


class RecordChange(msgspec.Struct, frozen=True):
    """What one run decided for one record. `decision`: created, updated, skipped, rejected, or would_be_<that>."""

    key: str
    code: str
    email: str | None
    decision: str
    reason: str | None
    fields: Mapping[str, FieldChange]
    warnings: Sequence[tuple[str, str]]


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    key: str
    code: str
    email: str | None
    decision: str
    reason: str | None
    body: dict[str, Any]
    tags: tuple[str, ...]
    warnings: tuple[tuple[str, str], ...] = ()


class Event(msgspec.Struct, frozen=True):
    """One line of a record's timeline."""

    at: datetime
    action: str
    reason: str | None
    run_id: UUID | None
    mapping_version: int | None
    actor: str
    change: RecordChange | None


async def of_run(
    connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID, run_id: UUID, after: Place | None, limit: int
) -> tuple[list[RecordChange], Place | None]:
    """Changes of a run in the order in which they were remembered, and where the next page begins."""
    place = after or Place(0, 0)
    pages = await connection.fetch(
        "select run_id, page, body, created_at from change_page where tenant_id = $1 and run_id = $2 and page >= $3"
        " order by page limit $4",
        tenant_id,
        run_id,
        place.page,
        limit + 1,
    )
    found: list[tuple[Place, _Entry, datetime]] = []
    for page in pages:
        entries = _opened(keys, page)
        start = place.index if page["page"] == place.page else 0
        found.extend((Place(page["page"], i), entries[i], page["created_at"]) for i in range(start, len(entries)))
        if len(found) > limit:
            break
    following = found[limit][0] if len(found) > limit else None
    shown = found[:limit]
    before = await _before(connection, keys, tenant_id, shown)
    return [_change(entry, before.get((entry.key, at))) for _, entry, at in shown], following


async def timeline(
    connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID, sync_id: UUID, key: str, code: str
) -> list[Event]:
    """Everything that ever happened to a record, newest last."""
    rows = await connection.fetch(
        "select e.at, e.action, e.reason, e.run_id, e.page, e.actor, e.detail, r.mapping_version from audit_event e"
        " left join sync_run r on r.tenant_id = e.tenant_id and r.id = e.run_id"
        " where e.tenant_id = $1 and e.code = $2 and e.sync_id = $3 order by e.seq limit 2000",
        tenant_id,
        code,
        sync_id,
    )
    mine = [row for row in rows if (row["detail"] or {}).get("key", row_code(code)) == key]
    pages = await _pages(connection, keys, tenant_id, {(r["run_id"], r["page"]) for r in mine if r["page"] is not None})
    events, last = [], None
    for row in mine:
        entry = pages.get((row["run_id"], row["page"]), {}).get(key)
        change = _change(entry, last) if entry is not None else None
        last = entry if entry is not None and entry.body else last
        events.append(
            Event(row["at"], row["action"], row["reason"], row["run_id"], row["mapping_version"], row["actor"], change)
        )
    return events


def row_code(code: str) -> str:
    """The key of an event that names none: the code itself."""
    return code


async def _before(
    connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID, shown: Sequence[tuple[Place, _Entry, datetime]]
) -> dict[tuple[str, datetime], _Entry]:
    """For each entry, what the last earlier page said of its record."""
    earlier = await connection.fetch(
        "select w.key, w.at, e.run_id, e.page from unnest($2::varchar[], $3::varchar[], $4::timestamptz[])"
        " as w(key, code, at) join lateral (select a.run_id, a.page from audit_event a where a.tenant_id = $1"
        " and a.code = w.code and a.page is not null and a.at < w.at"
        " and (a.action like 'member.%' or a.action like 'order.%')"
        " order by a.seq desc limit 1) e on true",
        tenant_id,
        [entry.key for _, entry, _ in shown],
        [entry.code for _, entry, _ in shown],
        [at for _, _, at in shown],
    )
    pages = await _pages(connection, keys, tenant_id, {(row["run_id"], row["page"]) for row in earlier})
    found = {}
    for row in earlier:
        entry = pages.get((row["run_id"], row["page"]), {}).get(row["key"])
        if entry is not None:
            found[row["key"], row["at"]] = entry
    return found


async def _pages(
    connection: asyncpg.Connection, keys: TenantKeys, tenant_id: UUID, wanted: Iterable[PageId]
) -> dict[PageId, dict[str, _Entry]]:
    pages = list(wanted)
    rows = await connection.fetch(
        "select p.run_id, p.page, p.body from change_page p join unnest($2::uuid[], $3::integer[]) as w(run_id, page)"
        " on p.run_id = w.run_id and p.page = w.page where p.tenant_id = $1",
        tenant_id,
        [run_id for run_id, _ in pages],
        [page for _, page in pages],
    )
    return {(row["run_id"], row["page"]): {entry.key: entry for entry in _opened(keys, row)} for row in rows}


def _opened(keys: TenantKeys, page: Mapping[str, Any]) -> list[_Entry]:
    body = keys.open(page["body"], page["run_id"], f"changes/{page['page']}")
    return msgspec.json.decode(body, type=list[_Entry])


def _change(entry: _Entry, before: _Entry | None) -> RecordChange:
    new, old = _flat(entry), _flat(before) if before is not None else {}
    fields = {name: FieldChange(old.get(name), value) for name, value in new.items() if old.get(name) != value}
    return RecordChange(entry.key, entry.code, entry.email, entry.decision, entry.reason, fields, entry.warnings)


def _flat(entry: _Entry) -> dict[str, Any]:
    if not entry.body:
        return {}
    flat: dict[str, Any] = {"EMAIL": entry.email, **entry.body.get("merge_fields", entry.body.get("order", {}))}
    if "language" in entry.body:
        flat["language"] = entry.body["language"]
    if entry.tags:
        flat["tags"] = list(entry.tags)
    return flat
