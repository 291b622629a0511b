"""Work that outlives whoever waits for it, and the same work for connections of many tenants, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

import asyncpg
import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")

_unfinished: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks only weakly
AT_ONCE = 4  # each may hold a database connection while it waits for a vendor


async def for_each(rows: Iterable[asyncpg.Record], work: Callable[[asyncpg.Record], Awaitable[None]]) -> None:
    """`work` for each row (with `tenant_id` and `id`); what it raises is logged and stops nobody else."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(row: asyncpg.Record) -> None:
        async with gate:
            try:
                await work(row)
            except Exception as error:  # the edge of a job
                log.exception("connection.not_tended", tenant_id=str(row["tenant_id"]), error=type(error).__name__)

    await asyncio.gather(*(one(row) for row in rows))


async def to_the_end(work: Coroutine[Any, Any, T], seconds: float | None = None) -> T:
    """Finish `work` even when whoever waits for it is cancelled. Raises TimeoutError when it takes longer than
    `seconds`; it goes on all the same."""
    task = asyncio.create_task(work)
    _unfinished.add(task)
    task.add_done_callback(_unfinished.discard)
    return await asyncio.wait_for(asyncio.shield(task), seconds)
