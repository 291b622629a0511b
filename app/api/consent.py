"""Every status ever seen or set for a person, and why."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from app.api.answers import answer
from app.api.deps import Viewing
from app.api.paging import Page, PagingQuery, newest
from app.api.schemas.base import IS_EMAIL
from app.api.schemas.consent import ConsentPublic
from app.db import consent
from app.domain.member import subscriber_hash

router = APIRouter(prefix="/v1/tenants/{tenant_id}/consent", tags=["consent"])

OneEmail = Annotated[str, Query(min_length=3, max_length=320, pattern=r"^[^\x00-\x20\x7f]+$"), IS_EMAIL]


@router.get("", response_model=Page[ConsentPublic], summary="Explain a person's consent")
async def list_consent(access: Viewing, paging: PagingQuery, email: OneEmail) -> Response:
    """Newest first, over all audiences."""
    cursors = access.cursors("consent", email.lower())
    before = newest(cursors.read(paging.cursor))
    async with access.resources.database.transaction(access.tenant_id) as connection:
        found = await consent.of_person(
            connection, access.tenant_id, subscriber_hash(email), before=before, limit=paging.limit + 1
        )
    names = [name for name in ConsentPublic.model_fields if name != "audience_id"]
    return answer(
        paging.page(
            found,
            lambda row: ConsentPublic(audience_id=row["list_id"], **{name: row[name] for name in names}),
            lambda row: cursors.write(row["at"], row["id"]),
        )
    )
