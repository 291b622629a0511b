"""A mapping tried on real records: X3 and the audience are read, nothing is written."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response

from app.api.answers import answer
from app.api.checking import newest_definition
from app.api.deps import Access, ObjectId, Operating, Work
from app.api.previewing_orders import preview_orders
from app.api.problems import Invalid
from app.api.schemas.mappings import PreviewItem, PreviewPublic, PreviewRequest, PreviewRules, PreviewWarning
from app.connectors.mailchimp.audiences import MailchimpAudience
from app.connectors.mailchimp.merge_checks import check_merge_fields, merge_types
from app.connectors.retrying import briefly
from app.connectors.sage_x3.opening import PartySource
from app.db import rows
from app.db.connections import Connection
from app.db.mappings import Mapping as MappingRow
from app.domain.audience import MirrorRow
from app.domain.consent import is_opted_out
from app.domain.definition import MappingDefinition
from app.domain.errors import InvalidDefinition, Transient
from app.domain.inactive import InactivePolicy
from app.domain.mapping import CompiledMapping, compile_mapping, parse_mapping
from app.domain.member import Member, Skip
from app.domain.party import Party, Selection
from app.sync.forgetting import without_erased

router = APIRouter(prefix="/v1/tenants/{tenant_id}/mappings", tags=["mappings"])

LONGEST_SECONDS = 60.0


@router.post("/{id}/preview", response_model=PreviewPublic, summary="Try a mapping on real records")
async def preview_mapping(access: Operating, mapping_id: ObjectId, body: PreviewRequest) -> Response:
    """Reads the given records, or the first of the stream, and says what would become of each. Writes nothing."""
    if (body.audience_id is None) != (body.audience_connection_id is None):
        raise Invalid.at("/audience_id", "audience_id and audience_connection_id belong together.")
    async with access.work() as work:
        mapping = await work.get(MappingRow, mapping_id)
        definition = _tried(mapping.stream, body.definition) or await newest_definition(work, mapping)
        source = await _connection(work, body.connection_id, "/connection_id", "sage_x3")
        target = None
        if body.audience_connection_id is not None:
            target = await _connection(work, body.audience_connection_id, "/audience_connection_id", "mailchimp")
    try:
        with briefly():
            async with asyncio.timeout(LONGEST_SECONDS):
                if definition.stream == "invoices":
                    return answer(await preview_orders(access, body, definition, source))
                return answer(await _previewed(access, body, definition, source, target))
    except TimeoutError:
        raise Transient("preview_too_slow", "The records could not be read within a minute; ask for fewer.") from None


def _tried(stream: str, rules: PreviewRules | None) -> MappingDefinition | None:
    """Rules that came with the request."""
    if rules is None:
        return None
    given = {name: getattr(rules, name) for name in rules.model_fields_set}
    try:
        return parse_mapping({"stream": stream, **given})
    except InvalidDefinition as error:
        raise Invalid.at(f"/definition{error.pointer}", error.message) from None


async def _connection(work: Work, connection_id: UUID, pointer: str, system: str) -> Connection:
    row = await rows.find(work.db, Connection, work.tenant_id, connection_id)
    if row is None or row.system != system:
        raise Invalid.at(pointer, f"There is no such connection of the system {system}.")
    return row


async def _previewed(
    access: Access, body: PreviewRequest, definition: MappingDefinition, source: Connection, target: Connection | None
) -> PreviewPublic:
    opener, keys = access.resources.opener, access.keys
    audience = (
        opener.audience(keys, target, body.audience_id, interactive=True) if target and body.audience_id else None
    )
    mapping, warnings = await _compiled(definition, audience)
    reader = opener.source(keys, source, mapping.selection, interactive=True)
    parties, refused = await _read(reader, body)
    candidates = [(party, item) for party in parties for item in mapping.members(party)]
    async with opener.database.transaction(access.tenant_id) as connection:
        kept = await without_erased(connection, keys, access.tenant_id, [item for _, item in candidates])
    made = [(party, item) for (party, _), item in zip(candidates, kept, strict=True)]
    known = await _known(audience, [item for _, item in made if isinstance(item, Member)])
    items = [_item(party, item, mapping.selection, known, compared=audience is not None) for party, item in made]
    items += refused
    if body.codes:
        found = {item.code for item in items}
        items += [_absent(code) for code in dict.fromkeys(body.codes) if code not in found]
    return PreviewPublic(items=items, warnings=[*warnings, *reader.warnings])


async def _compiled(
    definition: MappingDefinition, audience: MailchimpAudience | None
) -> tuple[CompiledMapping, list[str]]:
    mapping = compile_mapping(definition, inactive=InactivePolicy())
    if audience is None:
        return mapping, []
    fields = await audience.merge_fields()
    findings = check_merge_fields(mapping.targets, fields)
    typed = compile_mapping(definition, inactive=InactivePolicy(), types=merge_types(fields))
    return typed, [finding.message for finding in findings]


async def _read(reader: PartySource, body: PreviewRequest) -> tuple[list[Party], list[PreviewItem]]:
    """At most as many parties as were asked for, in the order of their codes."""
    limit = len(body.codes) if body.codes else body.limit
    parties: list[Party] = []
    refused: list[PreviewItem] = []
    pages = reader.by_codes(body.codes) if body.codes else reader.scan(None, None)
    try:
        async for page in pages:
            parties += page.parties[: limit - len(parties)]
            refused += [_refused(refusal.code, refusal.reason) for refusal in page.refused]
            if len(parties) + len(refused) >= limit:
                break
    finally:
        await pages.aclose()
    return parties, refused[: max(0, limit - len(parties))]


async def _known(audience: MailchimpAudience | None, members: Sequence[Member]) -> dict[bytes, MirrorRow | None]:
    if audience is None:
        return {}
    hashes = list(dict.fromkeys(member.hash for member in members))
    found = await asyncio.gather(*(audience.read(hash_) for hash_ in hashes))
    return dict(zip(hashes, found, strict=True))


def _item(
    party: Party,
    made: Member | Skip,
    selection: Selection,
    known: Mapping[bytes, MirrorRow | None],
    *,
    compared: bool,
) -> PreviewItem:
    source: dict[str, Any] = dict(zip(selection.fields, party.values, strict=True))
    source |= dict(zip(selection.email_sources, map(list, party.emails), strict=False))
    if isinstance(made, Skip):
        decision = f"skipped:{made.reason}"
        return PreviewItem(code=party.code, source=source, member=None, order=None, warnings=[], decision=decision)
    return PreviewItem(
        code=party.code,
        source=source,
        member=_member(made),
        order=None,
        warnings=[PreviewWarning(target=target, message=message) for target, message in made.warnings],
        decision=_decision(made, known.get(made.hash), compared=compared),
    )


def _member(member: Member) -> dict[str, Any]:
    return {
        "key": member.key,
        "email_address": member.email,
        "merge_fields": member.merge_fields,
        "fill_fields": member.fill_fields,
        "tags": list(member.tags),
        "language": member.language,
        "is_active": member.is_active,
    }


def _decision(member: Member, known: MirrorRow | None, *, compared: bool) -> str:
    if member.is_prohibited and known is None:
        return "skipped:mailing_prohibited"
    if not compared:
        return "would_write"
    if known is None:
        return "would_create"
    if is_opted_out(known.status):
        return "skipped:opted_out"
    return "unchanged" if _holds_all(member, known) else "would_update"


def _holds_all(member: Member, known: MirrorRow) -> bool:
    """Whether the audience has every value already; numbers and their texts are the same to Mailchimp."""
    merged = known.merge_fields
    same = all(_text(merged.get(name, "")) == _text(value) for name, value in member.merge_fields.items())
    filled = all(merged.get(name) not in (None, "") for name in member.fill_fields)
    return same and filled and set(member.tags) <= set(known.tags) and not set(member.tags_off) & set(known.tags)


def _text(value: object) -> str:
    return msgspec.json.encode(value, order="sorted").decode() if isinstance(value, dict) else str(value)


def _refused(code: str, reason: str) -> PreviewItem:
    return PreviewItem(code=code, source={}, member=None, order=None, warnings=[], decision=f"skipped:{reason}")


def _absent(code: str) -> PreviewItem:
    return _refused(code, "not_found")
