"""What proves an audit trail, as it travels."""

from datetime import datetime
from uuid import UUID

from app.api.schemas.base import Answer


class AuditKeyPublic(Answer):
    """An Ed25519 public key: `public_key` as PEM, `jwk` after RFC 8037, `kid` its thumbprint after RFC 7638."""

    kid: str
    algorithm: str
    public_key: str
    jwk: dict[str, str]


class AuditDigestPublic(Answer):
    """`signature` is a compact JWS (RFC 7515, EdDSA) over the other properties."""

    format: str
    tenant_id: UUID
    made_at: datetime
    last_seq: int
    head: str
    signature: str
