"""What a Mailchimp connection holds: audiences, their merge fields, stores."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import Response

from app.api.answers import answer
from app.api.deps import Access, ObjectId, Viewing
from app.api.paging import Page, PagingQuery
from app.api.problems import Invalid, NotFound
from app.api.schemas.base import LIST_ID
from app.api.schemas.connections import AudiencePublic, MergeFieldPublic, StorePublic
from app.connectors.mailchimp.shapes import Audience, MergeField, Store
from app.db.connections import Connection
from app.domain.errors import NeedsTenant

router = APIRouter(prefix="/v1/tenants/{tenant_id}/connections/{id}", tags=["connections"])

AudienceId = Annotated[str, Path(pattern=LIST_ID, description="Mailchimp's list id.")]


async def _mailchimp(access: Access, connection_id: UUID) -> Connection:
    async with access.work() as work:
        row = await work.get(Connection, connection_id)
    if row.system != "mailchimp":
        raise Invalid.at("/path/id", "Only a Mailchimp connection has these.", code="wrong_system")
    return row


@router.get("/audiences", response_model=Page[AudiencePublic], summary="List audiences")
async def list_audiences(access: Viewing, connection_id: ObjectId, paging: PagingQuery) -> Response:
    """In Mailchimp's order. 409 when the connection needs attention, 503 when Mailchimp does not answer."""
    row = await _mailchimp(access, connection_id)
    found = await access.resources.opener.account(access.keys, row).lists()
    return answer(paging.part(found, _audience, access.cursors("audiences", row.id), lambda audience: audience.id))


def _audience(audience: Audience) -> AudiencePublic:
    return AudiencePublic(
        id=audience.id,
        name=audience.name,
        double_optin=audience.double_optin,
        member_count=audience.stats.member_count,
        unsubscribe_count=audience.stats.unsubscribe_count,
        cleaned_count=audience.stats.cleaned_count,
    )


@router.get("/audiences/{audience_id}/merge-fields", response_model=Page[MergeFieldPublic], summary="List merge fields")
async def list_merge_fields(
    access: Viewing, connection_id: ObjectId, audience_id: AudienceId, paging: PagingQuery
) -> Response:
    """In Mailchimp's order. 404 when the account has no such audience."""
    row = await _mailchimp(access, connection_id)
    audience = access.resources.opener.audience(access.keys, row, audience_id, interactive=True)
    try:
        found = await audience.merge_fields()
    except NeedsTenant as error:
        raise NotFound if error.code == "mailchimp_audience_gone" else error from None
    return answer(paging.part(found, _merge_field, access.cursors("fields", row.id, audience_id), lambda f: f.tag))


def _merge_field(field: MergeField) -> MergeFieldPublic:
    return MergeFieldPublic(
        tag=field.tag,
        name=field.name,
        type=field.type,
        required=field.required,
        choices=list(field.options.choices),
    )


@router.get("/stores", response_model=Page[StorePublic], summary="List stores")
async def list_stores(access: Viewing, connection_id: ObjectId, paging: PagingQuery) -> Response:
    """In Mailchimp's order."""
    row = await _mailchimp(access, connection_id)
    found = await access.resources.opener.account(access.keys, row).stores()
    return answer(paging.part(found, _store, access.cursors("stores", row.id), lambda store: store.id))


def _store(store: Store) -> StorePublic:
    return StorePublic(
        id=store.id,
        name=store.name,
        audience_id=store.list_id,
        currency_code=store.currency_code,
        is_syncing=store.is_syncing,
    )
