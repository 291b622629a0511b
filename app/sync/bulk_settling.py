"""Ends of batches of operations: finished, or left behind by a run whose holder is gone."""

from datetime import timedelta
from uuid import UUID

import structlog

from app.db import batches
from app.sync.opened import OpenRun
from app.sync.ports import BatchDesk

CLOCK_ERROR = timedelta(minutes=5)

log = structlog.get_logger(__name__)


async def close(run: OpenRun, id_: UUID, *, finished: bool) -> None:
    """Nothing of a batch is to come any more."""
    async with run.database.transaction(run.tenant_id) as connection:
        await batches.close_bulk(connection, run.tenant_id, id_, finished=finished)


async def settle_left_behind(run: OpenRun, desk: BatchDesk) -> None:
    """Batches whose holder is gone: finished ones are done with; others are stopped, and what they change is left
    alone for the settle time, so that nothing older arrives after something newer. Once per slice.

    All of the connection's, whichever sync made them, since one that nobody settles holds up every other.
    """
    if run.dry:
        return
    async with run.database.transaction(run.tenant_id) as connection:
        left = await batches.bulk_left_behind(
            connection, run.tenant_id, run.sync["target_connection_id"], run.run_id, run.fence
        )
    for row in left:
        operations = len(row["members"]) // 32
        vendor_id = row["vendor_id"] or await desk.find(row["id"], row["sent_at"] - CLOCK_ERROR, operations)
        finished = vendor_id is None or await desk.over(vendor_id)
        if not finished and vendor_id is not None:
            await desk.cancel(vendor_id)
        await close(run, row["id"], finished=finished)
        log.info("batch.settled", finished=finished, found=vendor_id is not None)
