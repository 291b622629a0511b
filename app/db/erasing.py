"""Delete a tenant: first the key that makes its data readable, then the rows."""

from uuid import UUID

from sqlmodel import SQLModel, col, delete, update
from sqlmodel.ext.asyncio.session import AsyncSession

from app.db.base import models_loaded
from app.db.tenants import Tenant


async def destroy_data_key(db: AsyncSession, tenant_id: UUID) -> bool:
    """Overwrite the wrapped data key; false when there is no such tenant. Once committed, nothing that was sealed
    for the tenant can be opened again, in backups made later neither."""
    statement = update(Tenant).where(col(Tenant.id) == tenant_id).values(data_key=b"", data_key_id="destroyed")
    return (await db.exec(statement.returning(col(Tenant.id)))).first() is not None


async def delete_tenant_rows(db: AsyncSession, tenant_id: UUID) -> None:
    """Every row of the tenant, whatever the table, then the tenant. `db` is a system session for this tenant."""
    models_loaded()
    for table in reversed(SQLModel.metadata.sorted_tables):
        if "tenant_id" in table.columns:
            await db.exec(delete(table).where(table.c.tenant_id == tenant_id))
    await db.exec(delete(Tenant).where(col(Tenant.id) == tenant_id))
