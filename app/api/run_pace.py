"""How quickly a run worked, over its time."""

from fastapi import APIRouter
from fastapi.responses import Response

from app.api.answers import answer
from app.api.deps import ObjectId, Viewing
from app.api.schemas.runs import PacePoint, PacePublic
from app.db.base import now
from app.db.changes import pace
from app.db.runs import SyncRun

router = APIRouter(prefix="/v1/tenants/{tenant_id}/runs", tags=["runs"])

_POINTS = 60


@router.get("/{id}/pace", response_model=PacePublic, summary="How quickly a run worked")
async def read_pace(access: Viewing, run_id: ObjectId) -> Response:
    """How many records it decided in each stretch of its time, those that were left unchanged not counted."""
    async with access.work() as work:
        run = await work.get(SyncRun, run_id)
    if run.started_at is None:
        return answer(PacePublic(bucket_seconds=1, items=[]))
    lasted = ((run.finished_at or now()) - run.started_at).total_seconds()
    seconds = max(1, round(lasted / _POINTS))
    async with access.resources.database.transaction(access.tenant_id) as connection:
        found = await pace(connection, access.tenant_id, run_id, run.started_at, seconds)
    points = [PacePoint(at=row["at"], records=row["records"]) for row in found]
    return answer(PacePublic(bucket_seconds=seconds, items=points))
