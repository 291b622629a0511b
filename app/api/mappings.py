"""Streams and mappings: what can be read, and a tenant's versioned rules for it."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from fastapi import APIRouter
from fastapi.responses import Response
from sqlmodel import col, select

from app.api.answers import answer, no_content
from app.api.deps import AdminCreating, Administering, ObjectId, Viewing, Work
from app.api.paging import Page, PagingQuery, newest
from app.api.problems import Conflict, Invalid
from app.api.schemas.mappings import FieldPublic, MappingCreate, MappingPublic, StreamPublic, StreamsPublic
from app.db import rows
from app.db.base import now
from app.db.mappings import Mapping, MappingVersion
from app.db.syncs import Sync
from app.domain.definition import MappingDefinition
from app.domain.filters import parse_filter
from app.domain.mapping import compile_mapping, parse_inactive, parse_mapping
from app.domain.order_mapping import compile_orders
from app.domain.streams import STREAMS
from app.domain.transforms import describe_transforms

streams_router = APIRouter(prefix="/v1/streams", tags=["mappings"])
router = APIRouter(prefix="/v1/tenants/{tenant_id}/mappings", tags=["mappings"])


@streams_router.get("", response_model=StreamsPublic, summary="List streams, their fields, and transforms")
async def list_streams() -> Response:
    """Everything a mapping may name. Custom fields are `custom.<name>`; the connection says where they are read."""
    items = [
        StreamPublic(
            name=stream.name,
            description=stream.description,
            makes_members=stream.makes_members,
            fields=[FieldPublic.model_validate(field) for field in stream.fields],
        )
        for stream in STREAMS.values()
    ]
    return answer(StreamsPublic(items=items, transforms=describe_transforms(), next_cursor=None))


def _public(mapping_id: UUID, stream: str, version: MappingVersion) -> MappingPublic:
    definition = version.definition
    return MappingPublic(
        id=mapping_id,
        version=version.version,
        name=version.name,
        stream=stream,
        email=definition["email"],
        fields=definition["fields"],
        tags=definition["tags"],
        language=definition["language"],
        created_at=version.created_at,
    )


@router.post("", status_code=201, response_model=MappingPublic, summary="Create a mapping")
async def create_mapping(access: AdminCreating, body: MappingCreate) -> Response:
    """What is left out gets sensible defaults for the stream; the answer shows them."""
    definition = parse_mapping(body.definition())
    row = Mapping(tenant_id=access.tenant_id, id=uuid4(), name=body.name, stream=definition.stream)
    async with access.work() as work:
        work.db.add(row)
        await work.db.flush()
        version = _add_version(work, row, definition)
        await work.audit("mapping.created", row.id, detail={"version": 1})
        location = f"/v1/tenants/{access.tenant_id}/mappings/{row.id}"
        return await work.answer(_public(row.id, row.stream, version), 201, version=1, location=location)


def _add_version(work: Work, row: Mapping, definition: MappingDefinition) -> MappingVersion:
    document = {name: value for name, value in definition.document().items() if name != "stream"}
    version = MappingVersion(
        tenant_id=row.tenant_id, mapping_id=row.id, version=row.version, name=row.name, definition=document
    )
    work.db.add(version)
    return version


@router.get("", response_model=Page[MappingPublic], summary="List mappings")
async def list_mappings(access: Viewing, paging: PagingQuery) -> Response:
    """The newest version of each."""
    cursors = access.cursors("mappings")
    before = newest(cursors.read(paging.cursor))
    async with access.work() as work:
        found = await rows.newest(work.db, Mapping, access.tenant_id, limit=paging.limit + 1, before=before)
        versions = await _newest_versions(work, found)
    return answer(
        paging.page(
            found,
            lambda row: _public(row.id, row.stream, versions[row.id]),
            lambda row: cursors.write(row.created_at, row.id),
        )
    )


async def _newest_versions(work: Work, found: Sequence[Mapping]) -> dict[UUID, MappingVersion]:
    statement = select(MappingVersion).where(
        col(MappingVersion.tenant_id) == work.tenant_id,
        col(MappingVersion.mapping_id).in_([row.id for row in found]),
    )
    newest_of = {row.id: row.version for row in found}
    return {v.mapping_id: v for v in (await work.db.exec(statement)).all() if v.version == newest_of[v.mapping_id]}


@router.get("/{id}", response_model=MappingPublic, summary="Read a mapping")
async def read_mapping(access: Viewing, mapping_id: ObjectId) -> Response:
    """Its newest version."""
    async with access.work() as work:
        row = await work.get(Mapping, mapping_id)
        version = (await _newest_versions(work, [row]))[row.id]
    return answer(_public(row.id, row.stream, version), version=row.version)


@router.put("/{id}", response_model=MappingPublic, summary="Replace a mapping by a new version")
async def replace_mapping(access: Administering, mapping_id: ObjectId, body: MappingCreate) -> Response:
    """Runs that are under way keep the version they began with; the next run of each sync reads everything again."""
    definition = parse_mapping(body.definition())
    async with access.work() as work:
        row = await work.get_versioned(Mapping, mapping_id)
        if definition.stream != row.stream:
            raise Invalid.at("/stream", f"A mapping keeps its stream, {row.stream}.")
        await _check_against_syncs(work, mapping_id, definition)
        row.name = body.name
        row.version += 1
        row.updated_at = now()
        await work.db.flush()
        version = _add_version(work, row, definition)
        await work.audit("mapping.replaced", row.id, detail={"version": row.version})
        return answer(_public(row.id, row.stream, version), version=row.version)


async def _check_against_syncs(work: Work, mapping_id: UUID, definition: MappingDefinition) -> None:
    """Raises InvalidDefinition when a sync that uses the mapping could not run with this version."""
    statement = select(Sync).where(col(Sync.tenant_id) == work.tenant_id, col(Sync.mapping_id) == mapping_id)
    for sync in (await work.db.exec(statement)).all():
        per_contact = definition.email.mode == "per_contact"
        filter_ = parse_filter(sync.filter, sync.stream, contacts=per_contact)
        if sync.stream == "invoices":
            compile_orders(definition, filter_)
            continue
        compile_mapping(definition, inactive=parse_inactive(sync.inactive), filter=filter_)


@router.get("/{id}/versions", response_model=Page[MappingPublic], summary="List the versions of a mapping")
async def list_versions(access: Viewing, mapping_id: ObjectId, paging: PagingQuery) -> Response:
    """Newest first."""
    cursors = access.cursors("mapping-versions", mapping_id)
    position = cursors.read(paging.cursor)
    async with access.work() as work:
        row = await work.get(Mapping, mapping_id)
        statement = select(MappingVersion).where(
            col(MappingVersion.tenant_id) == access.tenant_id, col(MappingVersion.mapping_id) == mapping_id
        )
        if position is not None:
            statement = statement.where(col(MappingVersion.version) < int(position[0]))
        statement = statement.order_by(col(MappingVersion.version).desc()).limit(paging.limit + 1)
        found = (await work.db.exec(statement)).all()
    return answer(
        paging.page(
            found, lambda version: _public(row.id, row.stream, version), lambda version: cursors.write(version.version)
        )
    )


@router.delete("/{id}", status_code=204, summary="Delete a mapping")
async def delete_mapping(access: Administering, mapping_id: ObjectId) -> Response:
    """Refused while a sync uses it."""
    async with access.work() as work:
        row = await work.get_versioned(Mapping, mapping_id)
        used = select(Sync.id).where(col(Sync.tenant_id) == access.tenant_id, col(Sync.mapping_id) == mapping_id)
        if (await work.db.exec(used.limit(1))).first() is not None:
            raise Conflict("A sync uses this mapping; change or delete the sync first.", code="mapping_in_use")
        await work.db.delete(row)
        await work.audit("mapping.deleted", mapping_id)
    return no_content()
