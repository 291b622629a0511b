"""Erasures: a person is removed from Mailchimp and from here, and kept out."""

from fastapi import APIRouter
from fastapi.responses import Response

from app.api.answers import answer
from app.api.deps import AdminCreating, ObjectId, Viewing
from app.api.schemas.consent import ErasureCreate, ErasurePublic, ErasureStep
from app.db.engine import driver_connection
from app.db.erasures import Erasure
from app.privacy.erasing import ERASE, STEPS
from app.privacy.requesting import request_erasure

router = APIRouter(prefix="/v1/tenants/{tenant_id}/erasures", tags=["erasures"])


@router.post("", status_code=202, response_model=ErasurePublic, summary="Erase a person")
async def create_erasure(access: AdminCreating, body: ErasureCreate) -> Response:
    """From this answer on no run carries the address, whatever X3 says. One that is under way for it is answered
    again. What is left of it in the end is a keyed hash."""
    async with access.work() as work:
        connection = await driver_connection(work.db)
        erasure_id = await request_erasure(
            connection, access.keys, access.tenant_id, body.email, actor=access.caller.actor
        )
        row = await work.get(Erasure, erasure_id)
        location = f"/v1/tenants/{access.tenant_id}/erasures/{erasure_id}"
        response = await work.answer(_public(row), 202, location=location)
    await access.resources.queue.ring_for(ERASE, access.tenant_id, erasure_id)
    return response


@router.get("/{id}", response_model=ErasurePublic, summary="Read an erasure")
async def read_erasure(access: Viewing, erasure_id: ObjectId) -> Response:
    """How far it has got."""
    async with access.work() as work:
        row = await work.get(Erasure, erasure_id)
    return answer(_public(row))


def _public(row: Erasure) -> ErasurePublic:
    steps = [(name, row.steps.get(name, {})) for name in STEPS]
    return ErasurePublic(
        id=row.id,
        state=row.state,
        reason=row.reason,
        steps=[
            ErasureStep(name="suppression", state="done", erased=1),
            *(
                ErasureStep(name=name, state=step.get("state", "waiting"), erased=step.get("erased", 0))
                for name, step in steps
            ),
        ],
        attempt=row.attempt,
        requested_at=row.created_at,
        finished_at=row.finished_at,
    )
