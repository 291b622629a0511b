"""Retention of what was told."""

from datetime import datetime

from app.db import alert_deliveries, alerts
from app.db.engine import Database


async def forget_old(database: Database, before: datetime) -> None:
    """Drop alerts that were resolved before then, with their messages, tenant by tenant; open ones stay."""
    async with database.system() as connection:
        tenants = [row["id"] for row in await connection.fetch("select id from tenant")]
    for tenant_id in tenants:
        async with database.transaction(tenant_id) as connection:
            await alerts.forget_old(connection, tenant_id, before)
            await alert_deliveries.forget_old(connection, tenant_id, before)
