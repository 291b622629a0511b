"""API key to Caller: who is asking, in which tenant, with which role."""

import binascii
import hmac
import re
import secrets
from enum import IntEnum
from uuid import UUID

import msgspec

from app.api.problems import NotAuthenticated
from app.connections.vault import CannotOpen, TenantKeys, Vault
from app.db.engine import Database

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KEY_ID_LENGTH = 12
_SECRET_LENGTH = 43  # 256 bits in base 62
_CHECK_LENGTH = 6
_KEY = re.compile(rf"mlc_([0-9A-Za-z]{{{_KEY_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH + _CHECK_LENGTH}}})")
_LONGEST = 512
_NOBODYS_HASH = bytes(32)

_LOOK_UP = """
select k.tenant_id, k.id, k.role, k.secret_hash, t.data_key, t.data_key_id,
       k.last_used_at is null or k.last_used_at < clock_timestamp() - interval '1 minute' as is_stale
  from api_key k join tenant t on t.id = k.tenant_id
 where k.key_id = $1 and t.data_key <> '' and k.revoked_at is null
   and (k.expires_at is null or k.expires_at > clock_timestamp())
"""
_USED = "update api_key set last_used_at = clock_timestamp() where tenant_id = $1 and id = $2"


class Role(IntEnum):
    """What a key may do; each role may do all that the ones before it may."""

    viewer = 1
    operator = 2
    admin = 3


class Caller(msgspec.Struct, frozen=True):
    """`tenant_id` is None for the operator, who sees every tenant. `actor` is what the audit trail says."""

    actor: str
    role: Role
    tenant_id: UUID | None = None
    keys: TenantKeys | None = None

    @property
    def is_operator(self) -> bool:
        return self.tenant_id is None

    @property
    def key_id(self) -> UUID | None:
        """The row of the key, None for the operator key."""
        return UUID(self.actor.removeprefix("key:")) if self.tenant_id is not None else None


OPERATOR = Caller("operator", Role.admin)


def new_key() -> tuple[str, str, str]:
    """(key id, secret, the whole key as it is shown once). The last six characters tell a mistyped key at once."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(_KEY_ID_LENGTH))
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    secret += _check(key_id + secret)
    return key_id, secret, f"mlc_{key_id}_{secret}"


def _check(text: str) -> str:
    number, digits = binascii.crc32(text.encode()), ""
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits += _ALPHABET[digit]
    return digits


def bearer(header: str | None) -> str:
    """The key in an Authorization header. Raises NotAuthenticated when there is none."""
    scheme, _, key = (header or "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or len(key) > _LONGEST or not key.isascii():
        raise NotAuthenticated
    return key


async def identify(key: str, operator_key: str, database: Database, vault: Vault) -> Caller:
    """Raises NotAuthenticated for unknown, expired and revoked keys alike, after the same work.

    The look-up is by the public key id; secrets are compared as keyed hashes in constant time.
    """
    if hmac.compare_digest(key.encode(), operator_key.encode()):
        return OPERATOR
    match = _KEY.fullmatch(key)
    if match is None or not hmac.compare_digest(
        _check(match[1] + match[2][:_SECRET_LENGTH]), match[2][-_CHECK_LENGTH:]
    ):
        raise NotAuthenticated
    async with database.system() as connection:
        row = await connection.fetchrow(_LOOK_UP, match[1])
        if row is None:
            hmac.compare_digest(hmac.digest(_NOBODYS_HASH, key.encode(), "sha256"), _NOBODYS_HASH)
            raise NotAuthenticated
        try:
            keys = vault.tenant(row["tenant_id"], row["data_key"], row["data_key_id"])
        except CannotOpen:  # the tenant is being deleted
            raise NotAuthenticated from None
        if not hmac.compare_digest(keys.secret_hash(match[2]), row["secret_hash"]):
            raise NotAuthenticated
        if row["is_stale"]:
            await connection.execute(_USED, row["tenant_id"], row["id"])
    return Caller(f"key:{row['id']}", Role[row["role"]], row["tenant_id"], keys)
