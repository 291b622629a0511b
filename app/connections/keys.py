"""A tenant's keys from its row."""

from uuid import UUID

from app.connections.vault import CannotOpen, TenantKeys, Vault
from app.db.engine import Database


async def keys_of(database: Database, vault: Vault, tenant_id: UUID) -> TenantKeys | None:
    """None when there is no such tenant, or its key is destroyed already. Raises UnknownKey."""
    async with database.transaction(tenant_id) as connection:
        row = await connection.fetchrow("select data_key, data_key_id from tenant where id = $1", tenant_id)
    if row is None or not row["data_key"]:
        return None
    try:
        return vault.tenant(tenant_id, row["data_key"], row["data_key_id"])
    except CannotOpen:
        return None
