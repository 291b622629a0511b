"""The jobs: take up a row by its ids. Whether there is anything to do is decided by the row, not by the call."""

from typing import Any
from uuid import UUID

from app.privacy.erasing import erase
from app.resources import Resources
from app.sync.healing import heal
from app.sync.working import work
from app.webhooks.checking import check
from app.webhooks.processing import process
from workers.alerting import look_at
from workers.memory import let_go


async def carry_run(ctx: dict[str, Any], tenant_id: str, run_id: str) -> None:
    """Carry one slice of a run; whether it is to be had is decided by its row, not by this call."""
    result = await work(ctx["shop"], UUID(tenant_id), UUID(run_id))
    if result == "sliced":
        let_go()
    elif result in ("ended", "halted"):
        await look_at(ctx["resources"], UUID(tenant_id))


async def process_webhooks(ctx: dict[str, Any], tenant_id: str) -> None:
    """Work off a tenant's webhook events."""
    resources: Resources = ctx["resources"]
    await process(resources.database, resources.vault, UUID(tenant_id))


async def check_webhook(ctx: dict[str, Any], tenant_id: str, webhook_id: str) -> None:
    """Compare a webhook with its registration; when events may have been missed, pull the mirror."""
    resources: Resources = ctx["resources"]
    settings = resources.settings
    found = await check(
        resources.opener,
        UUID(tenant_id),
        UUID(webhook_id),
        public_url=settings.public_url,
        every_seconds=settings.webhook_check_minutes * 60,
    )
    if found is not None and found.heal is not None:
        await heal(resources.opener, UUID(tenant_id), found.heal, every_seconds=0)


async def pull_audience(ctx: dict[str, Any], tenant_id: str, audience_id: str) -> None:
    """Refresh a mirror that has become old."""
    resources: Resources = ctx["resources"]
    every_seconds = resources.settings.mirror_pull_minutes * 60
    await heal(resources.opener, UUID(tenant_id), UUID(audience_id), every_seconds=every_seconds)


async def erase_person(ctx: dict[str, Any], tenant_id: str, erasure_id: str) -> None:
    """Carry an erasure as far as possible."""
    resources: Resources = ctx["resources"]
    settle_seconds = resources.settings.settle_seconds
    await erase(resources.opener, UUID(tenant_id), UUID(erasure_id), settle_seconds=settle_seconds)
