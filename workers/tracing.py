"""Jobs inside the trace of whoever rang for them."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from arq.typing import WorkerCoroutine

from app.sync.queue import Queue
from app.telemetry.tracing import is_tracing, span


def traced(job: Callable[..., Awaitable[None]]) -> WorkerCoroutine:
    """The same job, as a span below the API call, or the run, that made its row. Its last id is the row's."""

    @wraps(job)
    async def inside(ctx: dict[str, Any], *ids: str) -> None:
        queue: Queue = (ctx.get("resources") or ctx["shop"]).queue
        parent = await queue.trace_of(ids[-1]) if is_tracing() else None
        with span(f"job {job.__name__}", "consumer", parent) as noted:
            noted.note(mlc__tenant_id=ids[0], mlc__row_id=ids[-1])
            await job(ctx, *ids)

    return inside
