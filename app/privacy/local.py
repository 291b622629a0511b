"""Everything of ours that may name a person, walked through in short transactions; any of them may be repeated.

What is found by hash or digest goes at once. What is sealed is opened row by row, since an address may stand where no
index leads: in a merge field, in a body of another record.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from sqlmodel import SQLModel

from app.connections.vault import TenantKeys
from app.db import suppression
from app.db.base import models_loaded
from app.db.idempotency import BODY as KEPT_ANSWER
from app.db.idempotency import row_of
from app.db.webhooks import BODY as EVENT
from app.privacy.needle import Needle

ROWS_AT_ONCE = 2000
PAGES_AT_ONCE = 50
NAME = "record.email"
PAYLOAD = "dead_letter.payload"
SEALED_LONGER = 29  # bytes, see TenantKeys.seal

Cursor = list[str] | None


class Search(msgspec.Struct, frozen=True):
    """Who is to be erased, where."""

    tenant_id: UUID
    erasure_id: UUID
    keys: TenantKeys
    needle: Needle
    subject: bytes


class Progress(msgspec.Struct, frozen=True):
    """How many rows a chunk changed, and where to go on; None when the place is done."""

    erased: int
    cursor: Cursor


Walk = Callable[[asyncpg.Connection, Search, Cursor], Awaitable[Progress]]


async def indexed(connection: asyncpg.Connection, search: Search, _cursor: Cursor) -> Progress:
    """Rows that hold the member's hash or the address' digest: mirror, consent, store customers, events, intents."""
    models_loaded()
    erased = 0
    for table in SQLModel.metadata.sorted_tables:
        if "member_hash" in table.columns and table.name != "record":
            statement = f'delete from "{table.name}" where tenant_id = $1 and member_hash = $2'  # noqa: S608  # our name
            erased += _count(await connection.execute(statement, search.tenant_id, search.needle.hash))
    erased += _count(
        await connection.execute(
            "update webhook_event set body = null, subject = null, former_subject = null"
            " where tenant_id = $1 and (subject = $2 or former_subject = $2)",
            search.tenant_id,
            search.subject,
        )
    )
    await connection.execute(
        "delete from batch where tenant_id = $1 and state = 'done' and position($2::bytea in members) > 0",
        search.tenant_id,
        search.needle.hash,
    )
    return Progress(erased, None)


async def records(connection: asyncpg.Connection, search: Search, cursor: Cursor) -> Progress:
    """The ledger. A record of the person stays as a skip without a name, so that it can be explained why."""
    sync, key = cursor or [str(UUID(int=0)), ""]
    rows = await connection.fetch(
        "select sync_id, key, state, member_hash, case when member_hash = $4 or octet_length(email) = $5 then email end"
        " as email from record where tenant_id = $1 and (sync_id, key) > ($2, $3) order by sync_id, key limit $6",
        search.tenant_id,
        UUID(sync),
        key,
        search.needle.hash,
        search.needle.length + SEALED_LONGER,
        ROWS_AT_ONCE,
    )
    hits = []
    for row in rows:
        other = await _is_of_another(connection, search, row)
        if row["member_hash"] == search.needle.hash or other is False:
            hits.append((row["sync_id"], row["key"]))
    await connection.execute(
        "update record r set email = null, member_hash = null,"
        " state = case when s.stream = 'invoices' then r.state else 'skipped' end,"
        " reason = case when s.stream = 'invoices' then r.reason else 'forgotten' end,"
        " fingerprint = case when s.stream = 'invoices' then r.fingerprint end, tags = '',"
        " flags = case when s.stream = 'invoices' then r.flags else 0 end, changed_at = clock_timestamp()"
        " from unnest($2::uuid[], $3::varchar[]) as h(sync_id, key), sync s"
        " where r.tenant_id = $1 and r.sync_id = h.sync_id and r.key = h.key and s.tenant_id = $1 and s.id = h.sync_id",
        search.tenant_id,
        [sync_id for sync_id, _ in hits],
        [code for _, code in hits],
    )
    last = rows[-1] if len(rows) == ROWS_AT_ONCE else None
    return Progress(len(hits), [str(last["sync_id"]), last["key"]] if last is not None else None)


async def _is_of_another(connection: asyncpg.Connection, search: Search, row: Mapping[str, Any]) -> bool | None:
    """Whether the record holds another address by now; None when it holds none that could be this one.

    Somebody who was closed to us under the erased address stays closed under the new one: consent moves with people.
    """
    if row["email"] is None:
        return None
    email = search.keys.open(row["email"], row["sync_id"], NAME)
    if search.needle.is_email(email):
        return False
    if row["member_hash"] == search.needle.hash and row["state"] == "skipped":
        digest = search.keys.digest(email.decode().strip().lower().encode())
        await suppression.suppress(connection, search.tenant_id, digest, search.erasure_id)
    return True


async def change_pages(connection: asyncpg.Connection, search: Search, cursor: Cursor) -> Progress:
    """The values that runs decided: entries that name the person lose theirs."""
    run, page = cursor or [str(UUID(int=0)), "-1"]
    rows = await connection.fetch(
        "select run_id, page, body from change_page where tenant_id = $1 and (run_id, page) > ($2, $3)"
        " order by run_id, page limit $4 for update",
        search.tenant_id,
        UUID(run),
        int(page),
        PAGES_AT_ONCE,
    )
    erased = 0
    for row in rows:
        field = f"changes/{row['page']}"
        body = search.needle.without(search.keys.open(row["body"], row["run_id"], field))
        if body is not None:
            erased += 1
            await connection.execute(
                "update change_page set body = $4 where tenant_id = $1 and run_id = $2 and page = $3",
                search.tenant_id,
                row["run_id"],
                row["page"],
                search.keys.seal(body, row["run_id"], field),
            )
    last = rows[-1] if len(rows) == PAGES_AT_ONCE else None
    return Progress(erased, [str(last["run_id"]), str(last["page"])] if last is not None else None)


async def dead_letters(connection: asyncpg.Connection, search: Search, cursor: Cursor) -> Progress:
    """Payloads go; what was open is dismissed, since it will never be carried."""
    rows = await _by_id(connection, search, cursor, "dead_letter", "payload, message")
    hits = [row["id"] for row in rows if _letter_names(search, row)]
    await connection.execute(
        "update dead_letter set payload = null, message = 'The person was erased.', updated_at = clock_timestamp(),"
        " state = case when state = 'open' then 'dismissed' else state end where tenant_id = $1 and id = any($2)",
        search.tenant_id,
        hits,
    )
    return Progress(len(hits), _last_id(rows))


def _letter_names(search: Search, row: Mapping[str, Any]) -> bool:
    if search.needle.is_in(row["message"].encode()):
        return True
    return row["payload"] is not None and search.needle.is_in(search.keys.open(row["payload"], row["id"], PAYLOAD))


async def webhook_events(connection: asyncpg.Connection, search: Search, cursor: Cursor) -> Progress:
    """Bodies that name the person although they are about somebody else."""
    rows = await _by_id(connection, search, cursor, "webhook_event", "body")
    named = [r["id"] for r in rows if r["body"] and search.needle.is_in(search.keys.open(r["body"], r["id"], EVENT))]
    await connection.execute(
        "update webhook_event set body = null where tenant_id = $1 and id = any($2)", search.tenant_id, named
    )
    return Progress(len(named), _last_id(rows))


async def kept_answers(connection: asyncpg.Connection, search: Search, cursor: Cursor) -> Progress:
    """Answers that are kept for repeated requests."""
    scope, key = cursor or ["", ""]
    rows = await connection.fetch(
        "select scope, key, body from idempotency_key where tenant_id = $1 and (scope, key) > ($2, $3)"
        " order by scope, key limit $4",
        search.tenant_id,
        scope,
        key,
        ROWS_AT_ONCE,
    )
    erased = 0
    for row in rows:
        place = row_of(row["scope"], row["key"])
        if row["body"] and search.needle.is_in(search.keys.open(row["body"], place, KEPT_ANSWER)):
            erased += 1
            await connection.execute(
                "delete from idempotency_key where tenant_id = $1 and scope = $2 and key = $3",
                search.tenant_id,
                row["scope"],
                row["key"],
            )
    last = rows[-1] if len(rows) == ROWS_AT_ONCE else None
    return Progress(erased, [last["scope"], last["key"]] if last is not None else None)


PLACES: Mapping[str, Walk] = {
    "records": records,  # before the indexed ones: it reads what they remove
    "change_pages": change_pages,
    "dead_letters": dead_letters,
    "webhook_events": webhook_events,
    "kept_answers": kept_answers,
    "indexed": indexed,
}


async def _by_id(
    connection: asyncpg.Connection, search: Search, cursor: Cursor, table: str, columns: str
) -> list[asyncpg.Record]:
    return list(
        await connection.fetch(
            f"select id, {columns} from {table} where tenant_id = $1 and id > $2 order by id limit $3",  # noqa: S608  # our names
            search.tenant_id,
            UUID(cursor[0]) if cursor else UUID(int=0),
            ROWS_AT_ONCE,
        )
    )


def _last_id(rows: list[asyncpg.Record]) -> Cursor:
    return [str(rows[-1]["id"])] if len(rows) == ROWS_AT_ONCE else None


def _count(tag: str) -> int:
    """Rows of a command tag such as `DELETE 3`."""
    return int(tag.rpartition(" ")[2])
