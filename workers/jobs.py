"""The one job: take up a run by its id."""

from typing import Any
from uuid import UUID

from app.sync.working import work


async def carry_run(ctx: dict[str, Any], tenant_id: str, run_id: str) -> None:
    """Carry one slice of a run; whether it is to be had is decided by its row, not by this call."""
    await work(ctx["shop"], UUID(tenant_id), UUID(run_id))
