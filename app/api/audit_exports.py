"""Taking the audit trail away, signed, so that it can be checked without us and kept where we cannot reach it."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from app.api.answers import answer
from app.api.deps import Access, Viewing
from app.api.schemas.audit import AuditDigestPublic, AuditKeyPublic
from app.db import audit_exports
from app.db.audit_exports import Head, Line, encode

router = APIRouter(prefix="/v1/tenants/{tenant_id}/audit", tags=["audit"])

FORMAT = "ml-connector-audit/1"
_ROWS = 1000
Signed = Annotated[bool, Query(description="End with a line `{signature: …}`: a JWS over all before it.")]
After = Annotated[int, Query(ge=0, le=2**62, description="Only events behind this number, for exports that go on.")]


@router.get("/key", response_model=AuditKeyPublic, summary="The key that exports are signed with")
async def show_key(access: Viewing) -> Response:
    """The public half, to be kept by whoever checks. A tenant has one key as long as it exists."""
    key = access.keys.signer.public
    return answer(AuditKeyPublic(kid=key.kid, algorithm="EdDSA", public_key=key.pem, jwk=key.jwk))


@router.get("/digest", response_model=AuditDigestPublic, summary="A signed digest of the audit trail")
async def show_digest(access: Viewing) -> Response:
    """Where the chain ends now, signed. Kept elsewhere, it proves later what the trail held then: an export that was
    cut or rewritten before that event does not fit it."""
    async with access.resources.database.transaction(access.tenant_id) as connection:
        head = await audit_exports.head(connection, access.tenant_id)
    told = _told(access, head)
    return answer(AuditDigestPublic(**told, signature=access.keys.signer.sign(told)))


def _told(access: Access, head: Head) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "tenant_id": str(access.tenant_id),
        "made_at": head.at.isoformat(),
        "last_seq": head.seq,
        "head": head.hash.hex(),
    }


@router.get(
    "/export",
    summary="Export the audit trail",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "One event a line; when `signed`, one more line with the signature",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        }
    },
)
async def export_trail(access: Viewing, after: After = 0, signed: Signed = False) -> StreamingResponse:
    """Oldest first, up to the moment of the request, as newline-delimited JSON. A `signed` export without its last
    line, the signature, is not whole."""
    async with access.resources.database.transaction(access.tenant_id) as connection:
        head = await audit_exports.head(connection, access.tenant_id)
        first = await audit_exports.lines(connection, access.tenant_id, after=after, until=head.seq, limit=_ROWS)
        behind = first[0].seq - 1 if first else after
        previous = await audit_exports.hash_at(connection, access.tenant_id, behind)
    begun = {"first_seq": behind + 1, "previous": previous.hex() if previous else None}
    export = _export(access, head, first, begun if signed else None)
    return StreamingResponse(export, media_type="application/x-ndjson")


async def _export(
    access: Access, head: Head, chunk: Sequence[Line], begun: dict[str, Any] | None
) -> AsyncIterator[bytes]:
    """A chunk at a time is in memory, whatever the trail's length."""
    digest, events = sha256(), 0
    while chunk:
        written = b"".join(encode(line) + b"\n" for line in chunk)
        digest.update(written)
        events += len(chunk)
        yield written
        chunk = await _next(access, head, chunk)
    if begun is not None:
        told = {**_told(access, head), **begun, "events": events, "sha256": digest.hexdigest()}
        yield encode({"signature": access.keys.signer.sign(told)}) + b"\n"


async def _next(access: Access, head: Head, chunk: Sequence[Line]) -> Sequence[Line]:
    if len(chunk) < _ROWS:
        return ()
    async with access.resources.database.transaction(access.tenant_id) as connection:
        after = chunk[-1].seq
        return await audit_exports.lines(connection, access.tenant_id, after=after, until=head.seq, limit=_ROWS)
