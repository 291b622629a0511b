"""Does a sync make sense? Its parts must fit each other; the audience is asked when it can be reached."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec

from app.api.deps import Access, Work
from app.api.problems import Invalid
from app.api.schemas.syncs import SyncCreate
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.merge_checks import check_merge_fields, merge_types
from app.connectors.mailchimp.shapes import MergeField, Store
from app.db import rows
from app.db.connections import Connection
from app.db.mappings import Mapping, MappingVersion
from app.domain.definition import MappingDefinition
from app.domain.errors import ConnectorError, NeedsTenant
from app.domain.filters import Filter, parse_filter
from app.domain.mapping import compile_mapping, parse_inactive, parse_mapping
from app.domain.order_mapping import compile_orders, require_companies
from app.domain.schedule import parse_schedule

_LOOK_SECONDS = 20.0


class Parts(msgspec.Struct, frozen=True):
    """What a sync refers to, found in its tenant."""

    source: Connection
    target: Connection
    mapping: Mapping
    definition: MappingDefinition


async def find_parts(work: Work, body: SyncCreate) -> Parts:
    """Raises Invalid for what is not there or of the wrong kind, whoever else may own it."""
    if body.stream == "invoices" and body.target.store_id is None:
        raise Invalid.at("/target/store_id", "Invoices become orders of a store: name one.")
    if body.stream == "suppliers" and body.target.store_id is not None:
        raise Invalid.at("/target/store_id", "Suppliers buy nothing: a store takes customers and invoices.")
    source = await _connection(work, body.source_connection_id, "/source_connection_id", "sage_x3")
    target = await _connection(work, body.target_connection_id, "/target_connection_id", "mailchimp")
    mapping = await rows.find(work.db, Mapping, work.tenant_id, body.mapping_id)
    if mapping is None:
        raise Invalid.at("/mapping_id", "There is no such mapping.")
    if mapping.stream != body.stream:
        raise Invalid.at("/mapping_id", f"This mapping is for {mapping.stream}, not for {body.stream}.")
    return Parts(source, target, mapping, await newest_definition(work, mapping))


async def newest_definition(work: Work, mapping: Mapping) -> MappingDefinition:
    version = await work.db.get(MappingVersion, (mapping.tenant_id, mapping.id, mapping.version))
    return parse_mapping({"stream": mapping.stream, **(version.definition if version else {})})


async def _connection(work: Work, connection_id: UUID, pointer: str, system: str) -> Connection:
    row = await rows.find(work.db, Connection, work.tenant_id, connection_id)
    if row is None:
        raise Invalid.at(pointer, "There is no such connection.")
    if row.system != system:
        raise Invalid.at(pointer, f"Must be a connection of the system {system}.")
    return row


def documents(body: SyncCreate, parts: Parts) -> dict[str, Any]:
    """Filter, policy and schedule as they are stored. Raises InvalidDefinition."""
    filter_ = _filter(body, parts)
    if body.stream == "invoices":
        require_companies(filter_)
    return {
        "filter": None if filter_ is None else filter_.document,
        "inactive": parse_inactive(body.inactive, stream=body.stream).document(),
        "schedule": parse_schedule(body.schedule).document,
        "target": body.target.model_dump(),
        "brake": body.brake.model_dump(),
        "reconcile": body.reconcile.model_dump(),
    }


def _filter(body: SyncCreate, parts: Parts) -> Filter | None:
    return parse_filter(body.filter, body.stream, contacts=parts.definition.email.mode == "per_contact")


async def check_audience(access: Access, parts: Parts, body: SyncCreate) -> list[str]:
    """Sentences on what does not fit well or could not be looked at.

    Raises:
        Invalid: the audience or store does not exist, or a merge field is of a type the mapping cannot fill.
        InvalidDefinition: mapping, filter and policy do not fit each other.
    """
    if body.stream == "invoices":
        return await _check_store(access, parts, body)
    inactive, filter_ = parse_inactive(body.inactive, stream=body.stream), _filter(body, parts)
    compiled = compile_mapping(parts.definition, inactive=inactive, filter=filter_)
    if parts.target.state == "needs_authorization":
        return ["The audience was not looked at: the connection is not authorized yet."]
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            fields = await _merge_fields(access, parts.target, body)
    except (ConnectorError, TimeoutError) as error:
        why = error.message if isinstance(error, ConnectorError) else "Mailchimp did not answer in time."
        return [f"The audience was not looked at: {why}"]
    findings = check_merge_fields(compiled.targets, fields)
    blocking = [finding for finding in findings if finding.blocks]
    if blocking:
        raise Invalid(
            errors=[{"pointer": "/mapping_id", "detail": finding.message} for finding in blocking], code="merge_fields"
        )
    if not body.target.create_merge_fields and any(finding.tag == inactive.field for finding in findings):
        raise Invalid.at("/inactive/field", f"The audience has no field {inactive.field}, and the sync may not add it.")
    compile_mapping(parts.definition, inactive=inactive, filter=filter_, types=merge_types(fields))
    return [finding.message for finding in findings]


async def _check_store(access: Access, parts: Parts, body: SyncCreate) -> list[str]:
    """The same for orders: their audience needs no merge field, their store has one currency."""
    compile_orders(parts.definition, _filter(body, parts))
    if parts.target.state == "needs_authorization":
        return ["The store was not looked at: the connection is not authorized yet."]
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await _find_list(access, parts.target, body)
            store = await _find_store(access, parts.target, body)
    except (ConnectorError, TimeoutError) as error:
        why = error.message if isinstance(error, ConnectorError) else "Mailchimp did not answer in time."
        return [f"The store was not looked at: {why}"]
    return [f"The store has the currency {store.currency_code}: invoices in others are skipped (currency_mismatch)."]


async def _find_list(access: Access, connection: Connection, body: SyncCreate) -> MailchimpAudience:
    audience = access.resources.opener.audience(access.keys, connection, body.target.audience_id, interactive=True)
    try:
        await audience.get_list()
    except NeedsTenant as error:
        if not error.code.endswith("_gone"):
            raise
        raise Invalid.at("/target/audience_id", "The account has no such audience.") from None
    return audience


async def _find_store(access: Access, connection: Connection, body: SyncCreate) -> Store:
    stores = await access.resources.opener.account(access.keys, connection).stores(body.target.audience_id)
    found = next((store for store in stores if store.id == body.target.store_id), None)
    if found is None:
        raise Invalid.at("/target/store_id", "The audience has no such store.")
    return found


async def _merge_fields(access: Access, connection: Connection, body: SyncCreate) -> list[MergeField]:
    audience = await _find_list(access, connection, body)
    if body.target.store_id is not None:
        await _find_store(access, connection, body)
    return await audience.merge_fields()
