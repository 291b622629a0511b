"""A worker process that delivers to one channel, to be killed over it: `<tenant id> <channel id>`, settings in MLC_…"""

import asyncio
import sys
from uuid import UUID

from app.alerts.delivering import Office, deliver
from app.resources import open_resources
from app.settings import Settings


async def main(tenant_id: UUID, channel_id: UUID) -> None:
    async with open_resources(Settings()) as resources:
        office = Office(resources.database, resources.vault, resources.courier, hold_seconds=600)
        await deliver(office, tenant_id, channel_id)


if __name__ == "__main__":
    asyncio.run(main(*map(UUID, sys.argv[1:])))
