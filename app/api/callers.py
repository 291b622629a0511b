"""Who a key is: what a program or the console may show before it asks for anything."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.answers import answer
from app.api.auth import Caller
from app.api.schemas.tenants import CallerPublic

router = APIRouter(prefix="/v1/caller", tags=["api keys"])


@router.get("", response_model=CallerPublic, summary="Who am I")
async def read_caller(request: Request) -> Response:
    """The role of the key that was sent, and its tenant; the operator key has none."""
    caller: Caller = request.state.caller
    kind = "operator" if caller.is_operator else "key"
    shown = CallerPublic(kind=kind, role=caller.role.name, tenant_id=caller.tenant_id, key_id=caller.key_id)
    return answer(shown)
