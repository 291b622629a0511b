"""A claimed run becomes an open one: rows loaded, mapping compiled, both ends opened, start mark taken."""

import asyncio
import hashlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlmodel import col, select

from app.connections.opening import Opener, must_be_signed_in
from app.connections.vault import TenantKeys
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.merge_checks import check_merge_fields, merge_types
from app.connectors.mailchimp.payloads import encode_fragment
from app.connectors.mailchimp.shapes import MergeField
from app.db import audiences, records
from app.db.connections import Connection
from app.db.mappings import MappingVersion
from app.db.syncs import Sync
from app.db.tenants import Tenant
from app.domain.errors import InvalidDefinition, NeedsTenant
from app.domain.filters import parse_filter
from app.domain.inactive import parse_inactive
from app.domain.mapping import CompiledMapping, MappingDefinition, MergeType, compile_mapping, parse_mapping
from app.domain.order_mapping import with_store_fields
from app.domain.planning import Policy
from app.domain.store_customers import Build
from app.domain.watermark import lower_bound
from app.sync.opened import LeaseLost, OpenRun, Pace
from app.sync.pages import Position, restored
from app.sync.ports import Source
from app.sync.reconciling import Reconciler
from app.sync.store_opening import open_keeper

FIELDS_KEPT_SECONDS = 600
DEFAULT_OVERLAP_SECONDS = 1020
MOST_READERS = 4

_fields_seen: dict[tuple[UUID, str], tuple[float, Sequence[MergeField]]] = {}


class Loaded(NamedTuple):
    """Rows of a run's surroundings."""

    keys: TenantKeys
    sync: Sync
    definition: MappingDefinition
    source: Connection
    target: Connection


async def open_run(opener: Opener, pace: Pace, tenant_id: UUID, row: Mapping[str, Any], loaded: Loaded) -> OpenRun:
    """Open a run that `claim` has given us.

    Raises:
        NeedsTenant: a connection, mapping or audience does not allow the run.
        Transient: a vendor did not answer in time.
        LeaseLost: the run is no longer ours.
    """
    sync = loaded.sync
    list_id = sync.target.get("audience_id")
    if not list_id:
        raise NeedsTenant("audience_missing", "This sync names no audience.")
    target = opener.audience(loaded.keys, loaded.target, list_id)
    draft, store_customer = _with_store(sync, _compiled(loaded))
    source = opener.source(loaded.keys, loaded.source, draft.selection)
    async with asyncio.TaskGroup() as both:
        fitting = both.create_task(_fitted(loaded, draft, target, list_id, row))
        marking = both.create_task(marked(opener, tenant_id, row, loaded, source))
    (fitted, notes), row = fitting.result(), marking.result()
    mapping, _ = _with_store(sync, fitted)
    run = await begun(opener, pace, tenant_id, row, loaded, list_id, source, mapping)
    run.policy = Policy(sync.new_member_status, parse_inactive(sync.inactive).action)
    run.position = restored(row["position"], Position)
    run.sync = {**run.sync, "inactive": parse_inactive(sync.inactive).document()}
    run.notes.extend(notes)
    if not mapping.per_contact and run.since is None:
        async with opener.database.transaction(tenant_id) as connection:
            run.sheds_contacts = await records.has_contacts(connection, tenant_id, sync.id)
    if (bulk_from := loaded.target.settings.get("batch_operations_from", 1000)) is not None and not run.dry:
        run.bulk, run.bulk_from = opener.bulk_updates(loaded.keys, loaded.target, list_id), int(bulk_from)
    if store_customer is not None:
        run.keeper = await open_keeper(opener, loaded.keys, loaded.target, run, store_customer)
    if row["mode"] == "reconcile" and row["codes"] is None:
        run.reconciler = Reconciler(run)
    return run


async def begun(
    opener: Opener,
    pace: Pace,
    tenant_id: UUID,
    row: Mapping[str, Any],
    loaded: Loaded,
    list_id: str,
    source: Source,
    mapping: CompiledMapping,
) -> OpenRun:
    """What every open run has, whatever it carries; new members are its only policy, and it has no position yet."""
    sync = loaded.sync
    async with opener.database.transaction(tenant_id) as connection:
        audience = await audiences.audience_row(connection, tenant_id, loaded.target.id, list_id)
    return OpenRun(
        database=opener.database,
        keys=loaded.keys,
        tenant_id=tenant_id,
        sync_id=sync.id,
        run_id=row["id"],
        fence=row["fence"],
        row=dict(row),
        sync=sync.model_dump(),
        audience_id=audience["id"],
        source=source,
        target=opener.audience(loaded.keys, loaded.target, list_id),
        mapping=mapping,
        encode=encode_fragment,
        policy=Policy(sync.new_member_status, "none"),
        pace=replace(pace, readers=min(int(loaded.source.settings.get("max_concurrency") or 2), MOST_READERS)),
        position=None,
        whole=row["codes"] is None and row["mode"] != "replay",
    )


async def load(opener: Opener, tenant_id: UUID, row: Mapping[str, Any]) -> Loaded:
    """What a claimed run is about. Raises NeedsTenant when its mapping cannot be read any more."""
    async with opener.database.session(tenant_id) as session:
        tenant = await session.get_one(Tenant, tenant_id)
        sync = await session.get_one(Sync, (tenant_id, row["sync_id"]))
        version = (
            await session.exec(
                select(MappingVersion).where(
                    col(MappingVersion.tenant_id) == tenant_id,
                    col(MappingVersion.mapping_id) == row["mapping_id"],
                    col(MappingVersion.version) == row["mapping_version"],
                )
            )
        ).one()
        source = await session.get_one(Connection, (tenant_id, sync.source_connection_id))
        target = await session.get_one(Connection, (tenant_id, sync.target_connection_id))
    must_be_signed_in(source)
    must_be_signed_in(target)
    keys = opener.vault.tenant(tenant_id, tenant.data_key, tenant.data_key_id)
    try:
        definition = parse_mapping({**version.definition, "stream": sync.stream})
    except InvalidDefinition as error:
        raise NeedsTenant(
            "mapping_invalid", f"The mapping cannot be used: {error.message} ({error.pointer})"
        ) from error
    return Loaded(keys, sync, definition, source, target)


async def _fitted(
    loaded: Loaded, draft: CompiledMapping, target: MailchimpAudience, list_id: str, row: Mapping[str, Any]
) -> tuple[CompiledMapping, list[str]]:
    """The mapping compiled for the audience's merge fields; missing ones are made first unless the sync forbids it."""
    fields = await _merge_fields(loaded.target.id, target, list_id, anew=row["mode"] != "delta")
    findings = check_merge_fields(draft.targets, fields)
    if blocking := [finding.message for finding in findings if finding.blocks]:
        raise NeedsTenant("merge_field_unusable", " ".join(blocking))
    missing = [finding for finding in findings if finding.kind == "missing"]
    notes = [finding.message for finding in findings if finding.kind != "missing"]
    may_add = loaded.sync.target.get("create_merge_fields", True)
    if missing and may_add and not row["dry_run"]:
        for finding in missing:
            await target.create_merge_field(finding.tag, _label(finding.tag), finding.wanted_type or "text")
            notes.append(f"The merge field {finding.tag} was added to the audience.")
        fields = await _merge_fields(loaded.target.id, target, list_id, anew=True)
        missing = []
    notes.extend(finding.message for finding in missing)
    absent = set() if may_add else {finding.tag for finding in missing}
    if (mark := parse_inactive(loaded.sync.inactive).field) in absent:
        raise NeedsTenant("merge_field_unusable", f"The audience has no field {mark}, and this sync may not add it.")
    return _compiled(loaded, merge_types(fields), absent), notes


def _compiled(
    loaded: Loaded, types: Mapping[str, MergeType] | None = None, absent: Collection[str] = ()
) -> CompiledMapping:
    """Raises NeedsTenant when mapping, filter, policy and merge fields do not fit each other."""
    sync, definition = loaded.sync, loaded.definition
    try:
        filter_ = parse_filter(sync.filter, sync.stream, contacts=definition.email.mode == "per_contact")
        inactive = parse_inactive(sync.inactive)
        return compile_mapping(definition, inactive=inactive, filter=filter_, types=types, absent=absent)
    except InvalidDefinition as error:
        raise NeedsTenant(
            "mapping_invalid", f"The mapping cannot be used: {error.message} ({error.pointer})"
        ) from error


def _with_store(sync: Sync, mapping: CompiledMapping) -> tuple[CompiledMapping, Build | None]:
    """The mapping, and what makes a store's customer of a party when the sync writes into a store."""
    if sync.stream == "customers" and sync.target.get("store_id"):
        return with_store_fields(mapping)
    return mapping, None


async def _merge_fields(
    connection_id: UUID, target: MailchimpAudience, list_id: str, *, anew: bool = False
) -> Sequence[MergeField]:
    """The audience's merge fields, kept for a few minutes so that runs with nothing to do ask nothing."""
    key = (connection_id, list_id)
    seen = _fields_seen.get(key)
    if anew or seen is None or time.monotonic() - seen[0] > FIELDS_KEPT_SECONDS:
        seen = _fields_seen[key] = (time.monotonic(), await target.merge_fields())
    return seen[1]


def _label(tag: str) -> str:
    """A name people can read for a merge field we add: COMPANY becomes Company."""
    return tag.replace("_", " ").capitalize()


async def marked(
    opener: Opener, tenant_id: UUID, row: Mapping[str, Any], loaded: Loaded, source: Source
) -> Mapping[str, Any]:
    """The run's row with start mark and lower bound, stored once in its life. Everything is read where the source
    cannot tell what was touched."""
    if row["start_mark"] is not None:
        return row
    clock, since = await source.clock(), _bound(row, loaded)
    if since is not None and not await source.can_tell_changes():
        since = None
    async with opener.database.transaction(tenant_id) as connection:
        updated: Mapping[str, Any] | None = await connection.fetchrow(
            "update sync_run set start_mark = $4, lower_bound = $5, watermark_before = $6"
            " where tenant_id = $1 and id = $2 and fence = $3 and start_mark is null returning *",
            tenant_id,
            row["id"],
            row["fence"],
            clock,
            since,
            loaded.sync.watermark,
        )
    if updated is None:
        raise LeaseLost
    return updated


def _bound(row: Mapping[str, Any], loaded: Loaded) -> datetime | None:
    """Where a delta run begins; None reads everything: first run, changed mapping or sync, or asked for."""
    sync = loaded.sync
    if row["mode"] != "delta" or row["codes"] is not None or sync.watermark is None:
        return None
    if sync.watermark_mapping_version != row["mapping_version"] or sync.watermark_settings != settings_digest(sync):
        return None
    overlap = loaded.source.settings.get("delta_overlap_seconds")
    seconds = DEFAULT_OVERLAP_SECONDS if overlap is None else float(overlap)
    return lower_bound(sync.watermark, timedelta(seconds=seconds))


def settings_digest(sync: Sync) -> str:
    """As settings_digest_of, for a row."""
    return settings_digest_of(sync.model_dump())


def settings_digest_of(sync: Mapping[str, Any]) -> str:
    """Changes when a sync begins to mean something else, so that every record must be looked at again."""
    meaning = [sync["target"], sync["filter"], parse_inactive(sync["inactive"]).document(), sync["stream"]]
    meaning += [str(sync[name]) for name in ("source_connection_id", "target_connection_id", "mapping_id")]
    return hashlib.sha256(msgspec.json.encode(meaning, order="sorted")).hexdigest()[:32]
